"""Radius and nearest-neighbor graphs: time and peak memory, beside SciPy's k-d tree in the same run.

The tree's times hold all it takes to the same edges: building it, and for the radius both directions in order
(its raw pairs come once each, in no order). Calls alternate, and the ratio is the median over the pairs. Peak
memory is what the process grew by, in a process of its own. One thread by default.

    python benchmarks/graph_building.py [--repeat 5] [--threads 1] [--device cpu]
"""

from __future__ import annotations

import argparse
import functools
import multiprocessing
import resource
import statistics
from collections.abc import Callable

import numpy as np
import torch
from command_line import positive_int
from scipy.spatial import cKDTree
from timing import seconds_per_call
from torch import Tensor

from fa_pyg.neighbors.edges import knn_graph, radius_graph

POINTS, MOLECULES, ATOMS = 100_000, 512, 18


def cloud() -> Tensor:
    return torch.rand(POINTS, 3, generator=torch.Generator().manual_seed(0))


def surface() -> Tensor:
    return torch.nn.functional.normalize(torch.randn(POINTS, 3, generator=torch.Generator().manual_seed(0)))


def molecules() -> Tensor:
    return 2 * torch.randn(MOLECULES * ATOMS, 3, generator=torch.Generator().manual_seed(0))


def radius_of(neighbors: float) -> float:
    """The radius in which a point of the cloud has so many neighbors on average."""
    return (neighbors / (4 / 3 * np.pi * POINTS)) ** (1 / 3)


def ours(x: Tensor, batch: Tensor, r: float | None, k: int | None) -> Tensor:
    return knn_graph(x, k, batch) if r is None else radius_graph(x, r, batch, max_num_neighbors=k)


def tree_edges(x: np.ndarray, r: float | None, k: int | None) -> np.ndarray:
    tree = cKDTree(x)
    if r is None:
        nearest = tree.query(x, k + 1)[1][:, 1:]
        return np.stack([nearest.ravel(), np.repeat(np.arange(len(x)), k)])
    pairs = tree.query_pairs(r, output_type="ndarray").T
    both = np.concatenate([pairs, pairs[::-1]], axis=1)
    return both[:, np.argsort(both[1] * len(x) + both[0])]


def trees(x: Tensor, size: int, r: float | None, k: int | None) -> np.ndarray:
    parts = x.cpu().view(-1, size, 3).numpy()
    return np.concatenate([tree_edges(part, r, k) + size * i for i, part in enumerate(parts)], axis=1)


CASES: dict[str, tuple[Callable[[], Tensor], int, float | None, int | None]] = {
    f"{POINTS} points in a cube, 30 within r": (cloud, POINTS, radius_of(30), None),
    f"{POINTS} points in a cube, 16 nearest": (cloud, POINTS, None, 16),
    f"{POINTS} points on a sphere, 16 nearest": (surface, POINTS, None, 16),
    f"{MOLECULES} molecules of {ATOMS}, r = 5": (molecules, ATOMS, 5.0, None),
    f"{MOLECULES} molecules of {ATOMS}, 6 nearest": (molecules, ATOMS, None, 6),
}


def inputs(name: str, device: str) -> tuple[Tensor, Tensor, int, float | None, int | None]:
    make, size, r, k = CASES[name]
    x = make().to(device)
    return x, torch.arange(len(x) // size, device=device).repeat_interleave(size), size, r, k


def peak(name: str, device: str, threads: int) -> float:
    """Megabytes that the process grew by, beyond a small call and the input."""
    torch.set_num_threads(threads)
    x, batch, _, r, k = inputs(name, device)
    ours(x[:100], batch[:100], r, k)
    if device != "cpu":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.max_memory_allocated()
        ours(x, batch, r, k)
        return (torch.cuda.max_memory_allocated() - before) / 2**20
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    ours(x, batch, r, k)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def compare(name: str, device: str, repeat: int) -> str:
    x, batch, size, r, k = inputs(name, device)
    fast, slow = functools.partial(ours, x, batch, r, k), functools.partial(trees, x, size, r, k)
    edges, expected = fast().cpu(), slow()
    assert edges.shape == expected.shape, "the two disagree"
    assert (edges.numpy() == expected).mean() > 0.9999, "the two disagree"
    times = [(seconds_per_call(fast), seconds_per_call(slow)) for _ in range(repeat)]
    a, b = (1e3 * statistics.median(t) for t in zip(*times, strict=True))
    ratio = statistics.median(t / s for t, s in times)
    return f"{edges.size(1):9d} {a:9.1f} {b:9.1f} {ratio:8.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=positive_int, default=5)
    parser.add_argument("--threads", type=positive_int, default=1)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print(f"torch {torch.__version__}, {args.device}, {args.threads} thread(s), median of {args.repeat}")
    print(f"{'':42} {'edges':>9} {'ms':>9} {'tree, ms':>9} {'ratio':>8} {'peak, MB':>9}")
    # Peaks first: a process starts out with the peak of the one that started it.
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        peaks = [pool.apply(peak, (name, args.device, args.threads)) for name in CASES]
    for name, memory in zip(CASES, peaks, strict=True):
        print(f"{name:42} {compare(name, args.device, args.repeat)} {memory:9.0f}", flush=True)


if __name__ == "__main__":
    main()
