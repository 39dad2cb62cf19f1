"""Rare calls: other groups, more inputs, matrices of pairs, dense batches, increments of an own class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import grad, jacfwd
from torch_geometric.data import Batch, Data
from torch_geometric.nn import SchNet

from fa_pyg import (
    Frame,
    FrameAveraging,
    GroupFrame,
    HaarFrame,
    LearnedFrame,
    LocalFrame,
    PCAFrame,
    WeightedPCAFrame,
)
from fa_pyg.models import LambdaMax
from fa_pyg.nn import provide_pyg_operators
from fa_pyg.testing import assert_equivariant, assert_smooth, catalogue
from hashed import Cases
from hashed.levels import BATCH, EDGES, MOTIONS, ORDERS, Whole, normal, seeded

__all__ = ["cases"]


class Adjacent(nn.Module):
    """Sums over neighbors by a matrix, dense or sparse, with features of the places."""

    def forward(self, x: Tensor, adj: Tensor) -> Tensor:
        return (adj @ x) * torch.arange(1.0, len(x) + 1).to(x)[:, None]


class Dense(nn.Module):
    """A transformer on coordinates: a row for each sample, and one for each of its points."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.leave = nn.Linear(3, 8), nn.Linear(8, 3)
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True)
        self.double()

    def forward(self, pos: Tensor, mask: Tensor | None = None) -> dict[str, Tensor]:
        h = self.layer(self.enter(pos), src_key_padding_mask=mask)
        return {"sample": h.mean((1, 2)), "points": self.leave(h)}


class Mixture(Data):
    """Species of which each graph has its own list; nodes and species that belong together."""

    def __inc__(self, key: str, value: Any, *args: Any, **kwargs: Any) -> Any:
        counts = {"species_of": len(self.species), "plain_index": 0}
        if key == "assign":
            return torch.tensor([[self.num_nodes], [len(self.species)]])
        return counts[key] if key in counts else super().__inc__(key, value, *args, **kwargs)

    def __cat_dim__(self, key: str, value: Any, *args: Any, **kwargs: Any) -> Any:
        return 1 if key == "assign" else super().__cat_dim__(key, value, *args, **kwargs)


class Mixed(nn.Module):
    def forward(self, data: Data) -> tuple[Tensor, Tensor]:
        node, kind = data.assign
        place = torch.arange(1.0, len(data.x) + 1).to(data.x)
        return (data.x * data.species[data.species_of]).sum(1) * place, (
            data.x[node] * data.species[kind]
        ).sum(1)


class Normalized(nn.Module):
    """BatchNorm, whose statistics belong to all copies together."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.norm = nn.Linear(3, 4).double(), nn.BatchNorm1d(4).double()

    def forward(self, pos: Tensor, batch: Tensor) -> Tensor:
        return self.norm(self.layer(pos)).tanh()


def normalized() -> list:
    torch.manual_seed(0)
    model = FrameAveraging(Normalized(), PCAFrame("SE(3)"), {"pos": "point"}, "scalar")
    return [model(normal(6, 3), batch=BATCH), model.state_dict(), model.eval()(normal(6, 3), batch=BATCH)]


def frames() -> list:
    """Frames that read more than points: vectors, pseudovectors, weights; local ones; other finite groups."""
    pos, velocity = normal(6, 3), normal(6, 3, seed=2)
    weight = torch.arange(1.0, 7.0).double()
    found: list = []
    for frame in (PCAFrame("E(3)", on_degenerate="warn"), WeightedPCAFrame("SE(3)"), PCAFrame("T(3)")):
        found += [frame(pos, velocity, batch=BATCH, node_weight=weight), frame(pos, num_graphs=1)]
        found += [FrameAveraging(Whole(), frame, {"pos": "point"}, "scalar", ["pos"])(pos[:1])]
    roots = WeightedPCAFrame("E(3)", node_weight=lambda z: z.double().sqrt(), smoothness="fast")
    found += [roots(pos, batch=BATCH, node_weight=weight)]
    for name in ("C4(3)", "D2h", "Td", "Ih", "I", "T(3):Oh"):
        found += [GroupFrame(name, translations=name == "Td")(pos, batch=BATCH)]
        found += [HaarFrame(name, 2, seeded())(pos, batch=BATCH)]
    far = pos[EDGES[0]] - pos[EDGES[1]] + 0.1
    given = {"edge_vec": far, "edge_weight": far.norm(dim=1) + 0.1}
    found += [LocalFrame(PCAFrame("E(3)"))(pos, EDGES, velocity, normal(6, 2, 3), **given)]
    return found


def matrices(make: Callable[[], Frame]) -> list:
    """A dense matrix of one graph, one slot a call; a sparse one of one graph and of a batch."""
    adj = torch.zeros(6, 6).double().index_put((EDGES[0], EDGES[1]), normal(EDGES.size(1)).abs())
    dense = FrameAveraging(Adjacent(), make(), level="node", chunk=1)
    sparse = FrameAveraging(Adjacent(), make(), level="node")
    one = (EDGES[0] < 3).nonzero().squeeze(1)
    small = torch.sparse_coo_tensor(EDGES[:, one], normal(len(one)), (3, 3)).coalesce()
    return [dense(normal(3, 1), adj[:3, :3]), sparse(normal(3, 1), small)]


def moved(make: Callable[[], Frame]) -> list:
    """Sparse matrices beside points, in copies that share a call."""

    class Net(nn.Module):
        def forward(self, pos: Tensor, adj: Tensor, batch: Tensor) -> Tensor:
            return (adj @ pos.sin()).cumsum(1)

    adj = torch.sparse_coo_tensor(EDGES, normal(EDGES.size(1)), (6, 6)).coalesce()
    found = []
    for chunk in (None, 1, 3):
        model = FrameAveraging(Net(), make(), {"pos": "point"}, "vector", level="node", chunk=chunk)
        found += [model(normal(6, 3), matrix, batch=BATCH) for matrix in (adj, adj.to_sparse_csr())]
    return found


def dense(make: Callable[[], Frame]) -> list:
    torch.manual_seed(0)
    model = FrameAveraging(Dense(), make(), {"pos": "point"}, {"sample": "scalar", "points": "vector"}).eval()
    mask = torch.zeros(4, 6, dtype=torch.bool)
    mask[:, 5] = True
    pos = normal(4, 6, 3)
    return [model(pos, batch=torch.arange(4)), model(pos, mask, batch=torch.arange(4))]


def mixed(make: Callable[[], Frame]) -> list:
    graphs = []
    for nodes, edges, species in ((5, 7, 2), (4, 3, 3), (6, 6, 4)):
        draw = seeded(nodes)

        def whole(n: int, *shape: int, draw: torch.Generator = draw) -> Tensor:
            return torch.randint(0, n, shape, generator=draw)

        graphs.append(
            Mixture(
                x=normal(nodes, 2, seed=nodes),
                edge_index=whole(nodes, 2, edges),
                species=normal(species, 2, seed=species),
                species_of=whole(species, nodes),
                assign=torch.stack([whole(nodes, edges), whole(species, edges)]),
            )
        )
    level, levels = ("node", "assign"), {"species_of": "node"}
    model = FrameAveraging(Mixed(), make(), output=("scalar",) * 2, level=level, levels=levels)
    return [model(Batch.from_data_list(graphs))]


def functional() -> list:
    """Derivatives by the transforms of torch.func."""
    model = FrameAveraging(Whole(), PCAFrame("E(3)"), {"pos": "point"}, "scalar")
    return [grad(model)(normal(5, 3)), jacfwd(model)(normal(5, 3)), torch.func.hessian(model)(normal(4, 3))]


def learned() -> list:
    """A learned frame of points, vectors of nodes, edges and the graph."""
    torch.manual_seed(0)
    inputs = {"pos": "point", "vel": "vector", "far": "vector", "field": "vector"}

    class Net(nn.Module):
        def forward(self, pos: Tensor, vel: Tensor, edge_index: Tensor, far: Tensor, field: Tensor) -> Tensor:
            return (pos + vel).sin().cumsum(1) + field.sum() + far.sum()

    model = FrameAveraging(
        Net(), LearnedFrame("SE(3)"), inputs, "vector", level="node", levels={"far": "edge"}
    )
    model = model.double()
    out = model(normal(6, 3), normal(6, 3, seed=2), EDGES, normal(10, 3, seed=3), normal(1, 3, seed=4))
    out.sum().backward()
    return [out, [p.grad for p in model.parameters()], model.float().state_dict()]


def provided() -> list:
    """SchNet of PyG on the operators that are filled in; eigenvalues kept with graphs; checks that pass."""
    torch.manual_seed(0)
    found: list = [provide_pyg_operators()]
    model = FrameAveraging(SchNet(8, 8, 1, 8, 4.0), PCAFrame("E(3)"), {"pos": "point"}, "scalar")
    found += [model(torch.arange(6) + 1, normal(6, 3).float(), batch=BATCH)]
    graphs = [Data(edge_index=EDGES, num_nodes=6), Data(edge_index=EDGES[:, :4], num_nodes=3)]
    found += [LambdaMax()(Batch.from_data_list(graphs)), LambdaMax()(graphs[0])]
    whole = FrameAveraging(Whole(), PCAFrame("E(3)"), {"pos": "point"}, "scalar")
    found += [sorted(assert_equivariant(whole, {"pos": normal(5, 3)}, "E(3)"))]
    methane = next(cloud for cloud in catalogue(3, ["molecules"]) if len(cloud.pos) > 4)
    smooth = FrameAveraging(Whole(), WeightedPCAFrame("E(3)"), {"pos": "point"}, "scalar")
    return [
        *found,
        str(type(assert_smooth(smooth, {"pos": methane.pos}, most=1e9, growth=1e9, directions=1))),
    ]


def cases() -> Cases:
    """Yield the cases of this file."""
    for name, make in ORDERS.items():
        yield f"rare/matrices/{name}", lambda m=make: matrices(m)
        yield f"rare/increments/{name}", lambda m=make: mixed(m)
    for name, make in MOTIONS.items():
        yield f"rare/sparse/{name}", lambda m=make: moved(m)
        yield f"rare/dense/{name}", lambda m=make: dense(m)
    yield "rare/batch norm", normalized
    yield "rare/frames", frames
    yield "rare/torch.func", functional
    yield "rare/learned", learned
    yield "rare/provided", provided
