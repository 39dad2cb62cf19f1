"""Networks on point clouds: equivariance on symmetric parts, and time, for each frame, as Markdown.

**Equivariance.** Clouds that are invariant under a group of rotations (``fa_pyg.datasets.symmetric_part``),
so that eigenvalues of their covariance coincide. Networks have random weights, and batch norm has seen random
clouds. The error is the largest angle between the lines of f(x g^T) and of f(x) g^T, in degrees, over random
motions g of E(3) (SE(3) for vector neurons), in float64.

**Time.** Clouds per second of each network, forward, and the ratio of its time to that of its backbone
without frames, in interleaved rounds, one thread, on parts that are shipped with the project.

    python benchmarks/point_clouds.py [--quick]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

import torch
from markdown_table import table
from timing import interleaved, median_ms, ratio
from torch import Tensor, nn
from torch_geometric.data import Batch

from fa_pyg import Frame, PCAFrame, WeightedPCAFrame
from fa_pyg.datasets import CADNormals, symmetric_part
from fa_pyg.datasets.clouds import SYMMETRIC
from fa_pyg.groups import Group
from fa_pyg.models import DGCNN, FADGCNN, VNDGCNN, FALocalPointNet, FAPointNet, PointNet, VNPointNet
from fa_pyg.train.tasks.normals import angles
from fa_pyg.transforms import NormalizeCloud

WIDTH, K = 0.25, 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=128, help="of symmetric parts, at least (128)")
    parser.add_argument("--motions", type=int, default=4, help="of each part (4)")
    parser.add_argument("--quick", action="store_true", help="two parts, one motion, shorter timing")
    given = parser.parse_args()
    quick, motions = given.quick, 1 if given.quick else given.motions
    torch.set_num_threads(1)
    parts = list(SYMMETRIC)[:2] if quick else list(SYMMETRIC)
    print("Frames of each part\n")
    show(["frame", *parts], counts(parts, given.points))
    print("\nLargest angle in degrees\n")
    show(["network", *parts], errors(parts, given.points, motions))
    print("\nForward passes\n")
    show(["network", "clouds per second", "time / backbone's"], times(4 if quick else 16, 1 if quick else 60))


def show(header: list[str], rows: Iterator[list[str]]) -> None:
    for line in table(header, rows):
        print(line, flush=True)


def fast() -> Frame:
    return WeightedPCAFrame("E(3)", smoothness="fast")


# Name, backbone without frames, network.
NETWORKS: list[tuple[str, str | None, Callable[[], nn.Module]]] = [
    ("PointNet", None, lambda: PointNet(WIDTH)),
    ("VN-PointNet", "PointNet", lambda: VNPointNet(WIDTH, K)),
    ("FA-PointNet, PCA", "PointNet", lambda: FAPointNet(WIDTH)),
    ("FA-PointNet, weighted", "PointNet", lambda: FAPointNet(WIDTH, frame=fast())),
    ("FA-Local-PointNet, PCA", "PointNet", lambda: FALocalPointNet(WIDTH, K)),
    (
        "FA-Local-PointNet, weighted",
        "PointNet",
        lambda: FALocalPointNet(WIDTH, K, frame=fast(), local_frame=fast()),
    ),
    ("DGCNN", None, lambda: DGCNN(WIDTH, K)),
    ("VN-DGCNN", "DGCNN", lambda: VNDGCNN(WIDTH, K)),
    ("FA-DGCNN, PCA", "DGCNN", lambda: FADGCNN(WIDTH, K)),
    ("FA-DGCNN, PCA, lines averaged", "DGCNN", lambda: FADGCNN(WIDTH, K, average="tensor")),
    ("FA-DGCNN, weighted", "DGCNN", lambda: FADGCNN(WIDTH, K, frame=fast())),
    (
        "FA-DGCNN, weighted, lines averaged",
        "DGCNN",
        lambda: FADGCNN(WIDTH, K, frame=fast(), average="tensor"),
    ),
]
FRAMES = {
    "PCA": lambda: PCAFrame("E(3)"),
    "weighted, fast": fast,
    "weighted, smooth forces": lambda: WeightedPCAFrame("E(3)"),
}


def errors(parts: list[str], points: int, motions: int) -> Iterator[list[str]]:
    clouds = [symmetric_part(name, points, dtype=torch.double).pos for name in parts]
    for name, _, make in NETWORKS:
        model = prepared(make)
        group = "SO(3)" if name.startswith("VN") else "O(3)"
        yield [name, *(f"{error(model, pos, group, motions):.0e}" for pos in clouds)]


def prepared(make: Callable[[], nn.Module], points: int = 64) -> nn.Module:
    """The network in float64, evaluated, with statistics of random clouds in its batch norm."""
    torch.manual_seed(0)
    model = make().double().train()
    with torch.no_grad():
        for _ in range(3):
            model(torch.randn(8 * points, 3).double(), torch.arange(8).repeat_interleave(points))
    return model.eval()


@torch.no_grad()
def error(model: nn.Module, pos: Tensor, group: str, motions: int) -> float:
    normal = model(pos)
    generator = torch.Generator().manual_seed(1)
    elements = Group.of(group).haar(motions, generator).double()
    elements = torch.linalg.qr(elements)[0]  # orthogonal in float64, too
    shift = torch.randn(motions, 3, generator=generator, dtype=torch.double)
    moved = (model(pos @ g.mT + t) for g, t in zip(elements, shift, strict=True))
    pairs = zip(moved, elements, strict=True)
    return float(torch.stack([angles(found, normal @ g.mT).max() for found, g in pairs]).max())


def counts(parts: list[str], points: int) -> Iterator[list[str]]:
    clouds = [symmetric_part(name, points, dtype=torch.double).pos for name in parts]
    yield ["points", *(str(len(pos)) for pos in clouds)]
    for name, make in FRAMES.items():
        yield [name, *(str(len(make()(pos).body)) for pos in clouds)]


@torch.no_grad()
def times(count: int, seconds: float) -> Iterator[list[str]]:
    clouds = CADNormals(split="train", shipped=True, fresh=False, transform=NormalizeCloud())
    batch = Batch.from_data_list([clouds[i] for i in range(count)])
    models = {name: make().eval() for name, _, make in NETWORKS}
    calls = {name: (lambda m=model: m(batch.pos, batch.batch)) for name, model in models.items()}
    found = interleaved(calls, seconds)
    for name, backbone, _ in NETWORKS:
        against = "1" if backbone is None else f"{ratio(found, name, backbone):.2g}"
        yield [name, f"{1e3 * count / median_ms(found, name):.3g}", against]


if __name__ == "__main__":
    main()
