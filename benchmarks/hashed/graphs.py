"""Frames of S(n) and framed outputs of nodes, edges and graphs; canonical labelling; models of graphs."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch, Data
from torch_geometric.nn import GINEConv, global_add_pool

from fa_pyg import CanonicalFrame, Frame, FrameAveraging, PerMode, RandomNodeFrame, Sample, SpectralFrame
from fa_pyg.canonical import canonical_labelling
from fa_pyg.datasets import cfi_pair, csl, rook, shrikhande, strongly_regular_pair
from fa_pyg.models import GAT, GCN, GIN, GNNML3, PPGN, AdjacencyMLP, ChebNet, GNNML3Supports
from fa_pyg.testing import graph_catalogue, pairs_not_told_apart, relabelled
from fa_pyg.transforms import AddFrames, CanonicalPose, NodeDegree, NodeID, data_frames
from hashed import Cases

__all__ = ["cases"]


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(1)


FRAMES: dict[str, Callable[[], Frame]] = {
    "canonical": CanonicalFrame,
    "spectral": SpectralFrame,
    "spectral, few": lambda: SpectralFrame(max_frames=3, generator=seeded()),
    "spectral then canonical": lambda: CanonicalFrame(first=SpectralFrame()),
    "random": lambda: RandomNodeFrame(k=3, generator=seeded()),
    "sample": lambda: Sample(SpectralFrame(), k=2, generator=seeded()),
    "per mode": lambda: PerMode(RandomNodeFrame(generator=seeded()), CanonicalFrame()),
    "per mode, eval": lambda: PerMode(RandomNodeFrame(), CanonicalFrame()).eval(),
}


class Net(nn.Module):
    """Outputs of nodes, edges and graphs that depend on the places of the nodes."""

    def __init__(self) -> None:
        super().__init__()
        mlp = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 8))
        self.first, self.ids = nn.Linear(1, 8), nn.Embedding(40, 8)
        self.conv, self.edge = GINEConv(mlp, edge_dim=1), nn.Linear(16, 3)
        self.double()

    def forward(self, x: Tensor, edge_index: Tensor, edge_attr: Tensor, batch: Tensor) -> dict[str, Tensor]:
        counts = torch.bincount(batch)
        place = torch.arange(len(x)) - (counts.cumsum(0) - counts)[batch]
        h = torch.tanh(self.conv(self.first(x) + self.ids(place), edge_index, edge_attr))
        pair = torch.cat([h[edge_index[0]], h[edge_index[1]] * place[edge_index[1], None]], 1)
        return {"node": h, "edge": self.edge(pair), "graph": global_add_pool(h**2, batch)}


def graphs() -> dict[str, Data]:
    """The catalogue and random graphs of several sizes, with features of nodes and edges in float64."""
    draw, found = seeded(), dict(graph_catalogue())
    for number, size in enumerate((7, 12, 5, 1, 9)):
        edges = (torch.rand(size, size, generator=draw) < 0.4).triu(1).nonzero().t()
        x = torch.randint(0, 3, (size, 1), generator=draw)
        found[f"random {number}"] = Data(x=x, edge_index=torch.cat([edges, edges.flip(0)], 1))
    for data in found.values():
        data.x = data.x.double()
        attr = data.get("edge_attr")
        data.edge_attr = (torch.zeros(data.num_edges, 1) if attr is None else attr).double()
        data.num_nodes = len(data.x)
    return found


def batch() -> Batch:
    return Batch.from_data_list(list(graphs().values()))


def framed(make: Callable[[], Frame], data: Data, chunk: int | None = None) -> list:
    frames = make()(data.edge_index, data.x, data.edge_attr, data.batch)
    torch.manual_seed(0)
    levels = {"node": "node", "edge": "edge", "graph": "graph"}
    model = FrameAveraging(Net(), make(), output=dict.fromkeys(levels, "scalar"), level=levels, chunk=chunk)
    x = data.x.clone().requires_grad_()
    given = torch.zeros(len(x), dtype=torch.long) if data.batch is None else data.batch
    out = model(x, data.edge_index, data.edge_attr, batch=given)
    (slope,) = torch.autograd.grad(out["graph"].sum(), x)
    told = frames.exact_for() if frames.exact is not None else "not said"
    return [frames, told, out, slope]


def values(frames: object, data: Data) -> list:
    """What frames do with tensors: to places and back, of nodes, edges and graphs."""
    x = torch.randn(data.num_nodes, 3, generator=seeded()).double()
    there = frames.to_frame(x, level="node")
    sums, one = there.cumsum(0), torch.arange(frames.num_bodies) % 2 == 0
    found = [there, frames.from_frame(sums, level="node"), frames.average(sums, level="node")]
    return [*found, frames.edges_in_frame(), frames.with_one_frame(one), frames.detach(), frames.moves_edges]


def hard() -> Batch:
    complete = torch.triu_indices(4, 4, 1)
    pairs = [*cfi_pair(complete), *strongly_regular_pair(), rook(), shrikhande(), *csl(11, (2, 3))]
    pairs += [
        graph(torch.triu_indices(20, 20, 1)),
        graph(torch.cartesian_prod(*torch.arange(10).view(2, 5)).t()),
    ]
    pairs += [
        graph(torch.stack([torch.arange(n), (torch.arange(n) + step) % n])) for n, step in ((15, 6), (9, 2))
    ]
    i = torch.arange(24)
    pairs += [
        graph(
            torch.stack([i.repeat(4), (i[:, None] // 2 * 2 + torch.tensor([2, 3, 4, 5])).t().flatten() % 24])
        )
    ]
    draw, cube = seeded(), torch.cartesian_prod(*[torch.arange(2)] * 4)
    apart = (cube[:, None] - cube).abs().sum(2)
    pairs += [graph((apart == 1).triu().nonzero().t()), graph((apart == 2).triu().nonzero().t())]
    pairs += [
        graph(torch.stack([torch.arange(40), torch.randint(0, 40, (40,), generator=draw)])) for _ in range(4)
    ]
    return Batch.from_data_list([Data(edge_index=one.edge_index, num_nodes=one.num_nodes) for one in pairs])


def graph(pairs: Tensor) -> Data:
    return Data(edge_index=torch.cat([pairs, pairs.flip(0)], 1), num_nodes=int(pairs.max()) + 1)


def labelled(data: Batch, colors: int = 1) -> list:
    """Orders and orbits, without colors or with some of them."""
    node, edge = (torch.arange(size) % colors for size in (data.num_nodes, data.num_edges))
    found = canonical_labelling(data.edge_index, data.ptr.diff(), node, edge)
    return [found.order, found.orbit, found.edge_orbit]


MODELS: dict[str, Callable[[], nn.Module]] = {
    "GCN": lambda: GCN(1, 16, 3, 5),
    "GAT": lambda: GAT(1, 16, 3, 5, heads=4),
    "GIN": lambda: GIN(1, [16, 8, 16], 3, 5),
    "GIN with ids": lambda: GIN(1, 16, 3, 5, ids=16),
    "ChebNet": lambda: ChebNet(1, 16, 3, 5),
    "PPGN": lambda: PPGN(1, 20, 3, 5),
    "AdjacencyMLP": lambda: AdjacencyMLP(1, 16, 32, 2, 5),
}


def modelled(make: Callable[[], nn.Module]) -> list:
    model, data = make().double(), batch()
    out = model(data.x, data.edge_index, batch=data.batch)
    out.sum().backward()
    return [model.state_dict(), out, [p.grad for p in model.parameters()]]


def supported() -> list:
    data = GNNML3Supports()(NodeDegree()(batch()))
    model = GNNML3(data.x.size(1), 12, 2, 5).double()
    given = {"support_index": data.support_index, "support_attr": data.support_attr.double()}
    return [data, model(data.x.double(), data.edge_index, batch=data.batch, **given)]


def transformed(make: Callable[[], Frame]) -> list:
    data = AddFrames(make())(batch())
    frames = data_frames(data)
    drawn = frames.sample(2, seeded())
    return [data, frames, drawn, CanonicalPose(make())(batch()), NodeID()(batch())]


def cases() -> Cases:
    """Yield the cases of this file."""
    for name, make in FRAMES.items():
        for chunk in (None, 1, 2):
            yield f"graphs/{name}/chunk {chunk}", lambda m=make, c=chunk: framed(m, batch(), c)
        yield f"graphs/{name}/one by one", lambda m=make: [framed(m, data) for data in graphs().values()]
        yield (
            f"graphs/{name}/tensors",
            lambda m=make: values(
                m()(batch().edge_index, batch().x, batch().edge_attr, batch().batch), batch()
            ),
        )
        yield f"graphs/{name}/transforms", lambda m=make: transformed(m)
    for name, make in MODELS.items():
        yield f"models/{name}", lambda m=make: modelled(m)
    yield "models/GNNML3", supported
    for colors in (1, 3):
        yield f"labelling/catalogue/{colors}", lambda c=colors: labelled(batch(), c)
        yield f"labelling/hard/{colors}", lambda c=colors: labelled(hard(), c)
    yield "labelling/hard graphs", hard
    yield "graphs/relabelled", lambda: relabelled(batch(), seeded())
    yield "graphs/pairs", lambda: pairs_not_told_apart(torch.randn(2, 40, 3, generator=seeded()).round())
