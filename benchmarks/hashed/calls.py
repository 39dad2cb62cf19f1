"""Framed models called in many ways: ragged batches, chunks, levels, node weights, frames made by hand."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch, Data

from fa_pyg import FrameAveraging, Frames, PCAFrame, Rep, Sample, WeightedPCAFrame
from hashed import Cases

__all__ = ["DECLARED", "batch", "cases", "molecules", "seeded"]

SIZES = (5, 8, 3, 6)
DECLARED = {
    "pos": "point",
    "force": "vector",
    "spin": "pseudovector",
    "polar": "tensor",
    "cell": "vector",
    "torque": "pseudovector",
    "edge_vec": "vector",
    "chirality": "pseudoscalar",
}
OUTPUT = {"energy": "scalar", "dipole": "vector", "place": "point", "edge": "vector", "polar": "tensor"}
LEVELS = {"energy": "graph", "dipole": "graph", "place": "node", "edge": "edge", "polar": "node"}
FRAMES = {
    "pca": lambda: PCAFrame("E(3)"),
    "fast": lambda: WeightedPCAFrame("E(3)", smoothness="fast"),
    "forces": lambda: WeightedPCAFrame("SE(3)", smoothness="forces"),
    "sample": lambda: Sample(PCAFrame("E(3)"), generator=seeded()),
}


def seeded(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def molecule(n: int, draw: torch.Generator, dtype: torch.dtype) -> Data:
    """Something of every representation and level."""

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw, dtype=torch.float64).to(dtype)

    ring = torch.stack([torch.arange(n), (torch.arange(n) + 1) % n])
    return Data(
        z=torch.randint(1, 9, (n,), generator=draw),
        pos=normal(n, 3) * torch.tensor([1.0, 2.0, 3.0]).to(dtype) + 1,
        force=normal(n, 3),
        spin=normal(n, 4, 3),
        polar=normal(n, 3, 3),
        cell=normal(1, 3, 3),
        torque=normal(1, 3),
        edge_index=torch.cat([ring, ring.flip(0)], dim=1),
        edge_vec=normal(2 * n, 3),
        chirality=normal(1),
        charge=normal(n),
    )


def molecules(dtype: torch.dtype = torch.float64) -> list[Data]:
    draw = seeded()
    return [molecule(n, draw, dtype) for n in SIZES]


def batch(dtype: torch.dtype = torch.float64) -> Batch:
    return Batch.from_data_list(molecules(dtype))


class Net(nn.Module):
    """Outputs of nodes, edges and graphs from everything that a molecule has; of no symmetry."""

    def __init__(self) -> None:
        super().__init__()
        self.node, self.edge = nn.Linear(29, 8), nn.Linear(20, 8)
        self.read, self.whole, self.last = nn.Linear(8, 12), nn.Linear(21, 8), nn.Linear(8, 4)
        self.double()

    def forward(
        self,
        z: Tensor,
        pos: Tensor,
        force: Tensor,
        spin: Tensor,
        polar: Tensor,
        cell: Tensor,
        torque: Tensor,
        edge_index: Tensor,
        edge_vec: Tensor,
        chirality: Tensor,
        batch: Tensor | None = None,
    ) -> dict[str, Tensor]:
        size = len(torque)
        batch = torch.zeros_like(z) if batch is None else batch
        flat = [z[:, None] / 10, pos, force, spin.flatten(1), polar.flatten(1), chirality[batch][:, None]]
        h = self.node(torch.cat([x.double() for x in flat], 1) / 3).tanh()
        source, target = edge_index
        e = self.edge(torch.cat([h[source], h[target], edge_vec.double(), z[source, None] / 10], 1)).tanh()
        h = h.index_add(0, target, e)
        sums = h.new_zeros(size, 8).index_add(0, batch, h)
        whole = torch.cat([sums, cell.double().flatten(1), torque.double(), chirality[:, None].double()], 1)
        y, g = self.read(h), self.last(self.whole(whole).tanh())
        out = {
            "energy": g[:, 0],
            "dipole": g[:, 1:],
            "place": y[:, :3],
            "polar": y[:, 3:].unflatten(1, (3, 3)),
        }
        return {**out, "edge": e[:, :3]}


def named(data: Data) -> dict:
    kept = {name: data[name] for name in ("z", *DECLARED, "edge_index")}
    return {**kept, "batch": data.batch}


def framed(name: str, chunk: int | None, data: Data, batched: bool = True) -> list:
    torch.manual_seed(0)
    model = FrameAveraging(Net(), FRAMES[name](), DECLARED, OUTPUT, level=LEVELS, chunk=chunk)
    given = named(data)
    if not batched:
        del given["batch"]
    pos = given["pos"].clone().requires_grad_()
    out = model(**{**given, "pos": pos})
    slopes = torch.autograd.grad(out["energy"].sum(), [pos, *model.parameters()], allow_unused=True)
    return [out, slopes]


class Positional(nn.Module):
    """A model that takes no batch, with arguments of declared levels."""

    def forward(self, x: Tensor, y: Tensor, weight: Tensor, pairs: Tensor, table: Tensor) -> Tensor:
        edge = (x[pairs[0]] - x[pairs[1]]) * weight[:, None]
        return (y + x.index_add(0, pairs[0], edge.sin())) @ table


def declared_levels(levels: dict[str, str], reads: list[str]) -> list:
    draw = seeded()
    x, y, table = (torch.randn(n, 3, generator=draw).double() for n in (6, 6, 3))
    pairs = torch.randint(0, 6, (2, 9), generator=draw)
    weight = torch.rand(9, generator=draw).double()
    inputs = {"x": "point", "y": "vector"}
    model = FrameAveraging(
        Positional(), PCAFrame("SE(3)"), inputs, "vector", reads, level="node", levels=levels
    )
    batch = torch.arange(2).repeat_interleave(3)
    pairs = pairs % 3 + 3 * (torch.arange(9) % 2)
    return [model(x, y, weight, pairs, table), model(x, y, weight, pairs, table, batch=batch)]


def weighted(which: str) -> list:
    """Node weights by name, by a callable, by default and none; frames that were made before."""
    data = batch()
    given = named(data)
    choices = {"name": "z", "callable": lambda call: call["z"].double() ** 0.5, "none": None, "auto": "auto"}
    frame = PCAFrame("E(3)")
    model = FrameAveraging(Net(), frame, DECLARED, OUTPUT, node_weight=choices[which], level=LEVELS)
    frames = frame(data.pos, batch=data.batch, node_weight=data.z.double())
    return [model(**given), model(**given, frames=frames), frames]


def by_hand() -> list:
    """Frames of matrices given by hand, ragged: to_frame, from_frame and average of every representation."""
    draw = seeded()
    rotation = torch.linalg.qr(torch.randn(6, 3, 3, generator=draw).double())[0]
    body, weight = torch.tensor([2, 0, 0, 1, 2, 2]), torch.tensor([0.2, 0.5, 0.5, 1, 0.3, 0.5]).double()
    node = torch.tensor([0, 0, 1, 2, 2])
    frames = Frames(rotation, body, weight, torch.randn(3, 3, generator=draw).double(), node)
    found: list = [frames, frames.with_one_frame(torch.tensor([True, False, True])), frames.detach()]
    for rep in ("scalar", "vector", "point", "pseudovector", "tensor", "pseudoscalar"):
        for level in ("node", "graph"):
            rows = 5 if level == "node" else 3
            x = torch.randn(rows, *(3,) * Rep.of(rep).rank, generator=draw).double()
            there = frames.to_frame(x, rep, level)
            source = node if level == "node" else torch.arange(3)
            found += [there, frames.from_frame(there, rep, source), frames.average(there.sin(), rep, source)]
    return [*found, frames.sample(2, seeded()), frames.to(torch.float32)]


def cases() -> Cases:
    """Yield the cases of this file."""
    for name in FRAMES:
        for chunk in (None, 1, 2, 5):
            yield f"calls/{name}/chunk {chunk}", lambda n=name, c=chunk: framed(n, c, batch())
        yield f"calls/{name}/float32", lambda n=name: framed(n, None, batch(torch.float32))
        yield f"calls/{name}/one by one", lambda n=name: [framed(n, None, one, False) for one in molecules()]
    said = {"weight": "edge", "pairs": "index", "table": "shared"}
    yield "calls/levels", lambda: declared_levels(said, ["x"])
    yield "calls/levels, two read", lambda: declared_levels(said, ["x", "y"])
    for which in ("name", "callable", "none", "auto"):
        yield f"calls/node weights, {which}", lambda w=which: weighted(w)
    yield "calls/frames by hand", by_hand
