"""Normals of a scan of 100 000 points: time, peak memory and angle; and farthest point sampling.

    python benchmarks/big_clouds.py [--points 100000]

The scan is a torus and a box, uniform by area, far from the origin (1e6 in float64). Networks are untrained:
their rows are times and memory. Each row runs in a process of its own, on one thread.
"""

from __future__ import annotations

import argparse
import itertools
import math
import subprocess
import sys
import time

import torch
from command_line import positive_int
from markdown_table import table
from memory import peak_kib
from torch import Tensor

from fa_pyg.models import VNDGCNN, FAPointNet, PatchedNormals, PCANormals, PointNet, orient_normals
from fa_pyg.neighbors import fps

MODELS = {
    "PCANormals(k=20)": lambda: PCANormals(),
    "PCANormals(k=100)": lambda: PCANormals(100),
    "patches of PCANormals(k=20)": lambda: PatchedNormals(PCANormals()),
    "patches of PointNet(width=.25)": lambda: PatchedNormals(PointNet(0.25)),
    "patches of FAPointNet(width=.25)": lambda: PatchedNormals(FAPointNet(0.25)),
    "patches of VNDGCNN(width=.25, k=20)": lambda: PatchedNormals(VNDGCNN(0.25, k=20)),
}


def scan(points: int) -> tuple[Tensor, Tensor]:
    """Return points of a torus and of a box beside it, and their normals."""
    torch.manual_seed(0)
    return tuple(
        torch.cat(parts) for parts in zip(_torus(points // 2), _box(points - points // 2), strict=True)
    )


def _torus(points: int) -> tuple[Tensor, Tensor]:
    u, v, level = torch.rand(3, 3 * points, dtype=torch.float64)
    u, v = (2 * math.pi * angle[level < (2 + (2 * math.pi * v).cos()) / 3][:points] for angle in (u, v))
    ring = torch.stack([u.cos(), u.sin(), 0 * u], 1)
    normal = ring * v.cos()[:, None] + torch.tensor([0, 0, 1.0]) * v.sin()[:, None]
    return 2 * ring + normal + 1e6, normal


def _box(points: int) -> tuple[Tensor, Tensor]:
    half = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    axis = torch.multinomial(1 / half, points, replacement=True)
    sign = torch.randint(2, (points,)).double() * 2 - 1
    normal = torch.nn.functional.one_hot(axis, 3) * sign[:, None]
    pos = torch.where(normal == 0, 2 * torch.rand(points, 3, dtype=torch.float64) - 1, normal) * half
    return pos + torch.tensor([8.0, 0, 0]) + 1e6, normal


def angle(found: Tensor, normal: Tensor) -> float:
    """Return the root mean square of the angles between axes, in degrees."""
    cosine = (found.double() * normal).sum(1).abs().clamp(max=1)
    return float(torch.rad2deg(cosine.acos()).square().mean().sqrt())


def row(name: str, points: int) -> list[str]:
    """Measure a model: points a second, peak memory above that of the imports, and angle."""
    pos, normal = scan(points)
    model = MODELS[name]().eval()
    model(pos[:2000])
    before, start = peak_kib(), time.process_time()
    found = model(pos)
    seconds = time.process_time() - start
    degrees = f"{angle(found, normal):.2f}" if "PCA" in name else "(untrained)"
    return [name, f"{points / seconds:,.0f}", f"{(peak_kib() - before) / 1024:.0f}", degrees]


def signs(points: int) -> str:
    """Measure the orientation of random signs."""
    pos, normal = scan(points)
    mixed = normal * (torch.randint(2, (points, 1)) * 2 - 1)
    start = time.process_time()
    found = orient_normals(pos, mixed)
    seconds = time.process_time() - start
    right = ((found * normal).sum(1) > 0).double().mean()
    return f"orient_normals: {points / seconds:,.0f} points a second, {100 * right:.2f} % outward"


def sampling() -> list[list[str]]:
    """Compare farthest point sampling with a loop over clouds."""
    rows = []
    for clouds, points, ratio in ((32, 512, 0.25), (32, 1024, 0.5), (1, 100_000, 0.01)):
        x, batch = torch.randn(clouds * points, 3), torch.arange(clouds).repeat_interleave(points)
        fps(x[:100])
        times = [time.process_time()]
        found = fps(x, batch, ratio, random_start=False)
        times.append(time.process_time())
        expected = torch.cat([_naive(one, ratio) + i * points for i, one in enumerate(x.split(points))])
        times.append(time.process_time())
        assert torch.equal(found, expected)
        ours, naive = (1e3 * (end - start) for start, end in itertools.pairwise(times))
        rows.append(
            [f"{clouds} x {points}", str(ratio), f"{ours:.1f}", f"{naive:.1f}", f"{naive / ours:.1f}"]
        )
    return rows


def _naive(x: Tensor, ratio: float) -> Tensor:
    found, distance = [0], torch.full((len(x),), math.inf)
    while len(found) < math.ceil(ratio * len(x)):
        distance = torch.minimum(distance, (x - x[found[-1]]).square().sum(1))
        found.append(int(distance.argmax()))
    return torch.tensor(found)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--points", type=positive_int, default=100_000)
    parser.add_argument("--row", choices=MODELS, help="only this row, in this process")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.row:
        print("\t".join(row(options.row, options.points)))
        return
    command = [sys.executable, __file__, "--points", str(options.points), "--row"]
    rows = (subprocess.check_output([*command, name], text=True).strip().split("\t") for name in MODELS)
    for line in table(["model", "points a second", "peak memory, MB", "angle, degrees (RMS)"], rows):
        print(line, flush=True)
    print(f"\n{signs(options.points)}\n")
    print(*table(["clouds", "ratio", "fps, ms", "loop, ms", "times faster"], sampling()), sep="\n")


if __name__ == "__main__":
    main()
