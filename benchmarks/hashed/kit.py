"""What the test kit measures: errors of equivariance and of forces, continuity, steepness, separation."""

from __future__ import annotations

import itertools
from typing import Any
from unittest import SkipTest

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch, Data

from fa_pyg import CanonicalFrame, FrameAveraging, PCAFrame, RandomNodeFrame, SpectralFrame, WeightedPCAFrame
from fa_pyg.models import GIN
from fa_pyg.testing import (
    FrameContract,
    assert_continuous,
    assert_frame,
    assert_permutation_frame,
    catalogue,
    conservation_error,
    curvature,
    equivariance_error,
    exactness_error,
    framed_probe,
    graph_catalogue,
    idealised,
    largest_step,
    lines,
    point_symmetries,
    random_motion,
    relabelled,
    separation,
    steepness,
    stretches,
)
from hashed import Cases

__all__ = ["cases"]


def normal(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


class Net(nn.Module):
    """An energy and vectors of coordinates as they are."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 4)).double()

    def forward(self, pos: Tensor, batch: Tensor) -> dict[str, Tensor]:
        y = self.layers(pos)
        energy = y.new_zeros(int(batch.max()) + 1).index_add(0, batch, y[:, 0])
        return {"energy": energy, "vector": y[:, 1:]}


class Energy(Net):
    def forward(self, pos: Tensor, batch: Tensor) -> Tensor:
        return super().forward(pos, batch)["energy"]


def fields(value: Any) -> dict[str, Any]:
    """A result as the numbers and tensors that it holds."""
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def equivariance(frame: str) -> list:
    make = {"pca": lambda: PCAFrame("E(3)"), "forces": lambda: WeightedPCAFrame("SE(3)")}[frame]
    torch.manual_seed(0)
    inputs = {"pos": normal(9, 3), "batch": torch.tensor([0] * 4 + [1] * 5)}
    output, level = {"energy": "scalar", "vector": "vector"}, {"energy": "graph", "vector": "node"}
    model = FrameAveraging(Net(), make(), {"pos": "point"}, output, level=level)
    return [
        equivariance_error(model, inputs, model.frame.group, trials=2),
        equivariance_error(Net(), inputs, "SO(3)", {"pos": "vector"}, output, level, trials=1),
    ]


def permuted() -> list:
    torch.manual_seed(0)
    data = Batch.from_data_list(
        [Data(x=one.x, edge_index=one.edge_index) for one in graph_catalogue().values()]
    )
    inputs = {"x": data.x.double(), "edge_index": data.edge_index, "batch": data.batch}
    found = []
    for frame in (CanonicalFrame(), SpectralFrame(), RandomNodeFrame(k=2)):
        model = FrameAveraging(GIN(1, 8, 2, 4, ids=8).double(), frame, level="graph")
        found.append(equivariance_error(model, inputs, "S(n)", trials=1))
    assert_permutation_frame(CanonicalFrame(), trials=1)
    return found


def exact() -> list:
    clouds = [cloud for cloud in catalogue(3, ["chiral", "lines", "coincident"]) if len(cloud.pos) < 9]
    options = {"velocities": True, "forces": True}
    return [
        exactness_error(PCAFrame("E(3)"), clouds),
        exactness_error(WeightedPCAFrame("SE(3)"), clouds, **options),
    ]


def continuous() -> list:
    found: list = []
    model = framed_probe(WeightedPCAFrame("E(3)", smoothness="fast"))
    for line in itertools.islice(lines(4), 4):
        found += [line.name, line.z, line.start, line.direction]

        def energy(z: Tensor | None, pos: Tensor, batch: Tensor) -> Tensor:
            with torch.no_grad():
                return model(z, pos, batch)["graph scalar"]

        found += [largest_step(energy, line, (16, 64)), assert_continuous(energy, line, 32, 2, 1.0)]
    return found


def steep() -> list:
    torch.manual_seed(0)
    model = FrameAveraging(Energy(), WeightedPCAFrame("E(3)", smoothness="fast"), {"pos": "point"}, "scalar")
    inputs = {"pos": normal(5, 3), "batch": torch.zeros(5, dtype=torch.long)}
    directions = stretches(inputs["pos"], torch.tensor([[0, 1], [1, 2]]))
    found = [fields(steepness(model, inputs, count=20)), directions]
    found += [
        fields(curvature(model, inputs, directions, steps=32)),
        fields(curvature(model, inputs, 2, steps=16)),
    ]
    return [*found, conservation_error(model, inputs), conservation_error(Energy(), inputs)]


def separated() -> list:
    graphs = Batch.from_data_list(
        [Data(x=one.x, edge_index=one.edge_index) for one in graph_catalogue().values()]
    )
    makers = {
        "plain": lambda: GIN(1, 8, 2, 4),
        "canonical": lambda: FrameAveraging(GIN(1, 8, 2, 4, ids=8), CanonicalFrame()),
        "random": lambda: FrameAveraging(GIN(1, 8, 2, 4, ids=8), RandomNodeFrame()),
        "few": lambda: FrameAveraging(GIN(1, 8, 2, 4, ids=8), SpectralFrame(max_frames=2)),
    }
    found = [fields(separation(make, graphs, initialisations=3)) for make in makers.values()]
    return [*found, relabelled(graphs, torch.Generator().manual_seed(3))]


def symmetries() -> list:
    found: list = []
    for cloud in catalogue(3, ["molecules"]):
        if len(cloud.pos) < 10:
            found += [cloud.name, point_symmetries(cloud.pos, cloud.z), *idealised(cloud.pos + 1e-5, cloud.z)]
    draw = torch.Generator().manual_seed(0)
    for group in ("E(3)", "SO(2)", "T(3)", "Oh"):
        motion = random_motion(PCAFrame(group).group if group != "Oh" else group, draw)
        found += [
            motion(normal(4, 2 if "2" in group else 3), rep) for rep in ("point", "vector", "pseudovector")
        ]
    return found


class Contract(FrameContract):
    groups = ("SE(3)", "E(2)")

    def make(self, group: str) -> PCAFrame:
        return PCAFrame(group)


def contract() -> dict[str, bool | None]:
    """The tests that plain frames pass, and those that they do not promise."""
    assert_frame(PCAFrame("E(3)"), normal(8, 3), normal(8, 3), batch=torch.arange(2).repeat_interleave(4))
    return {name: passes(name) for name in sorted(dir(Contract)) if name.startswith("test_")}


def passes(name: str) -> bool | None:
    try:
        return getattr(Contract(), name)() is None
    except SkipTest:
        return None


def cases() -> Cases:
    """Yield the cases of this file."""
    for frame in ("pca", "forces"):
        yield f"kit/equivariance/{frame}", lambda f=frame: equivariance(f)
    yield "kit/equivariance/orders", permuted
    yield "kit/exactness", exact
    yield "kit/continuity", continuous
    yield "kit/steepness", steep
    yield "kit/separation", separated
    yield "kit/symmetries", symmetries
    yield "kit/contract", contract
