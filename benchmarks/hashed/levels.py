"""Levels that calls do not say: outputs by size, pairs of nodes, two sets of points, calls with a Data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch, Data
from torch_geometric.nn import SchNet

from fa_pyg import (
    CanonicalFrame,
    Frame,
    FrameAveraging,
    HaarFrame,
    PCAFrame,
    RandomNodeFrame,
    SpectralFrame,
    WeightedPCAFrame,
)
from fa_pyg.nn import RadiusInteractionGraph
from fa_pyg.transforms import AddFrames, RandomMotion, data_frames
from hashed import Cases

__all__ = ["BATCH", "EDGES", "MOTIONS", "ORDERS", "Whole", "cases", "normal", "seeded"]

EDGES = torch.tensor([[0, 1, 1, 2, 3, 4, 4, 5, 5, 3], [1, 0, 2, 1, 4, 3, 5, 4, 3, 5]])
PAIRS = torch.tensor([[0, 1, 0, 3, 5], [1, 2, 2, 5, 4]])
BATCH = torch.tensor([0, 0, 0, 1, 1, 1])
ORDERS: dict[str, Callable[[], Frame]] = {
    "canonical": CanonicalFrame,
    "spectral": SpectralFrame,
    "random": lambda: RandomNodeFrame(k=2, generator=seeded()),
}
MOTIONS: dict[str, Callable[[], Frame]] = {
    "pca": lambda: PCAFrame("E(3)"),
    "forces": lambda: WeightedPCAFrame("E(3)"),
    "haar": lambda: HaarFrame("SE(3)", k=2, generator=seeded()),
}


def seeded(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64)


class Kinds(nn.Module):
    """Outputs of every kind of structure, without a declared level."""

    def forward(self, pos: Tensor, batch: Tensor | None = None) -> tuple:
        index = torch.zeros(len(pos), dtype=torch.long) if batch is None else batch
        size = int(index[-1]) + 1
        node = pos.sin().cumsum(1)
        graph = node.new_zeros(size, 3).index_add(0, index, node)
        return node, {"dipole": graph, "energy": graph.sum(1)}, [graph.cos(), 3.0]


class Whole(nn.Module):
    """One number for one graph, without a row for it."""

    def forward(self, pos: Tensor) -> Tensor:
        return pos.sin().sum() + pos[0, 0]


class Score(nn.Module):
    def forward(self, x: Tensor, edge_index: Tensor, edge_label_index: Tensor) -> Tensor:
        i, j = edge_label_index
        return (x[i] - x[j]).squeeze(1) * (i - 2.0 * j)


class Numbered(nn.Module):
    """Node numbers with a row for each node, a table of places, and one number for each graph."""

    def forward(
        self, x: Tensor, edge_index: Tensor, parent: Tensor, root_index: Tensor, place: Tensor
    ) -> Tensor:
        first = torch.zeros_like(x).index_add(0, edge_index[1], x[edge_index[0]])
        return (first + x[parent]) * place[: len(x)] + x[root_index].sum()


class OfData(nn.Module):
    def forward(self, data: Data) -> tuple[Tensor, Tensor, Tensor]:
        i, j = data.edge_label_index
        tail, head = data.edge_index
        far = (data.pos[i] - data.pos[j]).sin() * data.weight[:, None]
        batch = torch.zeros(len(data.pos), dtype=torch.long) if data.batch is None else data.batch
        near = (data.pos[tail] - data.pos[head]).cos().sum(1)
        energy = near.new_zeros(int(batch.max()) + 1).index_add(0, batch[head], near)
        return far, (data.pos[tail] - data.pos[head]).sin(), energy


class Wrapped(nn.Module):
    """Passes on whatever it is called with."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.net(*args, **kwargs)


class Bipartite(Data):
    """Edges from one set of points to another."""

    def __inc__(self, key: str, value: Any, *args: Any, **kwargs: Any) -> Any:
        if key == "edge_index":
            return torch.tensor([[self.lig.size(0)], [self.pos.size(0)]])
        return super().__inc__(key, value, *args, **kwargs)


class Docked(nn.Module):
    def forward(self, data: Data) -> Tensor:
        source, target = data.edge_index
        batch = torch.zeros(len(data.pos), dtype=torch.long) if data.batch is None else data.batch
        away = (data.lig[source] - data.pos[target]).sin().sum(1) * data.edge_attr
        return away.new_zeros(int(batch.max()) + 1).index_add(0, batch[target], away)


def points(make: Callable[[], Frame]) -> list:
    pos = normal(6, 3)
    reps = ("vector", {"dipole": "vector", "energy": "scalar"}, ["pseudovector", "scalar"])
    found: list = []
    for chunk in (None, 1, 3):
        model = FrameAveraging(Kinds(), make(), {"pos": "point"}, reps, chunk=chunk)
        found += [model(pos, batch=BATCH), model(pos=pos[:3], batch=BATCH[:3]), model(pos[:2])]
    wrapped = FrameAveraging(Wrapped(Kinds()), make(), {"pos": "point"}, reps)
    whole = FrameAveraging(Whole(), make(), {"pos": "point"}, "scalar")
    return [*found, wrapped(pos=pos, batch=BATCH), whole(pos), whole(pos[:4])]


def pairs(make: Callable[[], Frame]) -> list:
    x = normal(6, 1)
    found: list = []
    for level in ("edge", "edge_label_index"):
        model = FrameAveraging(Score(), make(), level=level)
        found += [model(x, EDGES, PAIRS, batch=BATCH), model(x[:3], EDGES[:, :4], PAIRS[:, :3])]
        found += [model(x[:3], EDGES[:, :4], EDGES[:, :4].flip(0)), model(x[:3], EDGES[:, :4], PAIRS[:, :0])]
    return found


def numbered(make: Callable[[], Frame]) -> list:
    levels = {"parent": "node_index", "root_index": "index", "place": "place"}
    model = FrameAveraging(Numbered(), make(), level="node", levels=levels)
    parent, root = torch.tensor([1, 1, 0, 4, 3, 3]), torch.tensor([0, 4])
    given = {"place": torch.arange(1.0, 7.0).double()[:, None]}
    alone = model(normal(6, 1)[:3], EDGES[:, :4], parent[:3], root[:1], given["place"][:3])
    return [alone, model(normal(6, 1), EDGES, parent, root, **given, batch=BATCH)]


def data(seed: int) -> Data:
    n = 3 + seed
    ring = torch.stack([torch.arange(n), (torch.arange(n) + 1) % n])
    return Data(
        pos=normal(n, 3, seed=seed),
        z=torch.arange(n) % 3 + 1,
        edge_index=torch.cat([ring, ring.flip(0)], 1),
        edge_label_index=torch.randint(0, n, (2, 2), generator=seeded(seed)),
        weight=normal(2, seed=seed),
    )


def of_data(make: Callable[[], Frame]) -> list:
    """Single graphs, batches, batches with frames stored, moved data."""
    graphs = [data(seed) for seed in (1, 2, 4)]
    batch = Batch.from_data_list(graphs)
    level, out = ("edge_label_index", "edge", "graph"), ("vector", "vector", "scalar")
    model = FrameAveraging(OfData(), make(), {"pos": "point"}, out, level=level)
    stored = AddFrames(make(), {"pos": "point"})(Batch.from_data_list(graphs))
    found = [model(batch), *(model(one) for one in graphs), model(stored, frames=data_frames(stored))]
    return [*found, model(RandomMotion("E(3)", {"pos": "point"}, seeded())(batch))]


def docked(make: Callable[[], Frame], chunk: int | None) -> list:
    graphs = []
    for n, m, e in ((4, 2, 5), (3, 5, 2), (5, 5, 3)):
        draw = seeded(n)
        index = torch.stack([torch.randint(0, size, (e,), generator=draw) for size in (m, n)])
        given = {"pos": normal(n, 3, seed=n), "lig": normal(m, 3, seed=m), "edge_attr": normal(e)}
        graphs.append(Bipartite(**given, edge_index=index, num_nodes=n))
    model = FrameAveraging(Docked(), make(), {"pos": "point", "lig": "point"}, "scalar", chunk=chunk)
    follow = Batch.from_data_list(graphs, follow_batch=["lig"])
    alone = [model(one) for one in graphs] if chunk != 3 else []
    return [model(follow), model(Batch.from_data_list(graphs)), *alone]


def schnet(make: Callable[[], Frame]) -> list:
    torch.manual_seed(0)
    graph = RadiusInteractionGraph(5.0, None)
    net = SchNet(8, 8, 2, 10, 5.0, interaction_graph=graph).double()
    model = FrameAveraging(net, make(), {"pos": "point"}, "scalar")
    return [model(torch.arange(6) + 1, normal(6, 3), batch=BATCH), model(torch.arange(6) + 1, normal(6, 3))]


def cases() -> Cases:
    """Yield the cases of this file."""
    for name, make in MOTIONS.items():
        yield f"levels/points/{name}", lambda m=make: points(m)
        yield f"levels/data/{name}", lambda m=make: of_data(m)
        yield f"levels/schnet/{name}", lambda m=make: schnet(m)
        for chunk in (None, 1, 3):
            yield f"levels/two sets/{name}/chunk {chunk}", lambda m=make, c=chunk: docked(m, c)
    for name, make in ORDERS.items():
        yield f"levels/pairs/{name}", lambda m=make: pairs(m)
        yield f"levels/numbers/{name}", lambda m=make: numbered(m)
