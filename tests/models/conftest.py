"""Two molecules, random graphs in ragged batches and relabelled, and models of graphs by their names."""

import pytest
import torch
from helpers import relabeled
from torch_geometric.data import Batch, Data

from fa_pyg.models import GAT, GCN, GIN, GNNML3, PPGN, AdjacencyMLP, ChebNet

INVARIANT = {
    "GCN": lambda f=2, **kw: GCN(f, 16, 3, 5, **kw),
    "GAT": lambda f=2, **kw: GAT(f, 16, 3, 5, heads=4, **kw),
    "GIN": lambda f=2, **kw: GIN(f, [16, 8, 16], 3, 5, **kw),
    "ChebNet": lambda f=2, **kw: ChebNet(f, 16, 3, 5, **kw),
    "PPGN": lambda f=2, **kw: PPGN(f, 20, 3, 5, **kw),
    "PPGN, deep": lambda f=2, **kw: PPGN(f, 12, 3, 5, depth=2, bias=False, **kw),
    "GNNML3": lambda f=2, **kw: GNNML3(f, 12, 2, 5, **kw),
}
BY_PLACE = {
    "AdjacencyMLP": lambda f=2, **kw: AdjacencyMLP(f, 16, 32, 2, 5, **kw),
    "GIN+ID": lambda f=2, **kw: GIN(f, 16, 3, 5, ids=16, **kw),
}


def undirected(n, edges):
    edges = torch.as_tensor(edges, dtype=torch.long).view(-1, 2).T
    return Data(x=torch.ones(n, 1), edge_index=torch.cat([edges, edges.flip(0)], dim=1), num_nodes=n)


@pytest.fixture(params=[*INVARIANT])
def invariant(request):
    """Makes a model that is invariant to the order of the nodes, of f features and 5 outputs."""
    return INVARIANT[request.param]


@pytest.fixture(params=[*BY_PLACE])
def by_place(request):
    """Makes a model that is not, for up to 16 nodes."""
    return BY_PLACE[request.param]


@pytest.fixture(params=[*INVARIANT, *BY_PLACE])
def any_model(request):
    return {**INVARIANT, **BY_PLACE}[request.param]


@pytest.fixture
def build():
    """A model by its name."""
    return lambda name, *args, **kw: {**INVARIANT, **BY_PLACE}[name](*args, **kw)


@pytest.fixture
def graph():
    """One random graph of n nodes with two features."""

    def make(n, p=0.4, dtype=torch.float64):
        edges = (torch.rand(n, n) < p).triu(1).nonzero()
        data = undirected(n, edges)
        data.x = torch.randn(n, 2, dtype=dtype)
        return data

    return make


@pytest.fixture
def ragged(graph):
    """A batch of random graphs; some without edges, some of one node."""

    def make(sizes=(5, 1, 9, 12, 2, 9), dtype=torch.float64):
        graphs = [graph(n, 0 if i == 4 else 0.4, dtype) for i, n in enumerate(sizes)]
        return Batch.from_data_list(graphs)

    return make


@pytest.fixture
def relabelled():
    """The same batch with the nodes of each graph in another order, and the edges too."""
    return lambda batch: Batch.from_data_list([relabeled(data) for data in batch.to_data_list()])


@pytest.fixture
def pair():
    """Two graphs, by the name of the pair, with the constant feature 1."""

    def ring(*nodes):
        return [(nodes[i - 1], nodes[i]) for i in range(len(nodes))]

    def torus(steps):
        nodes = [(i, j) for i in range(4) for j in range(4)]
        near = [(4 * i + j, 4 * ((i + a) % 4) + (j + b) % 4) for i, j in nodes for a, b in steps]
        return undirected(16, near)

    pairs = {
        "two triangles, hexagon": (
            undirected(6, ring(0, 1, 2) + ring(3, 4, 5)),
            undirected(6, ring(0, 1, 2, 3, 4, 5)),
        ),
        "bicyclopentyl, decalin": (
            undirected(10, ring(0, 1, 2, 3, 4) + ring(5, 6, 7, 8, 9) + [(0, 5)]),
            undirected(10, [*ring(0, 1, 2, 3, 4, 5, 6, 7, 8, 9), (0, 5)]),
        ),
        "Shrikhande, rook": (torus([(0, 1), (1, 0), (1, 1)]), torus([(0, 1), (0, 2), (1, 0), (2, 0)])),
    }
    # A step of half the way round is the same from both ends: once is enough.
    rook = pairs["Shrikhande, rook"][1]
    rook.edge_index = torch.unique(rook.edge_index, dim=1)

    def make(name):
        batch = Batch.from_data_list(list(pairs[name]))
        batch.x = batch.x.double()
        return batch

    return make


@pytest.fixture
def molecules():
    """Methane and water, exactly symmetric."""
    z = torch.tensor([6, 1, 1, 1, 1, 8, 1, 1])
    methane = torch.tensor([[0, 0, 0], [1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]).double() * 0.63
    water = torch.tensor([[0, 0, 0.12], [0, 0.76, -0.48], [0, -0.76, -0.48]]).double()
    return {"z": z, "pos": torch.cat([methane, water]), "batch": torch.tensor([0] * 5 + [1] * 3)}
