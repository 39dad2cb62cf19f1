"""Models that know the order of the nodes, averaged over permutation frames: invariant, however called."""

import itertools

import pytest
import torch
from torch import nn
from torch_geometric.data import Batch, Data
from torch_geometric.loader import DataLoader
from torch_geometric.nn import GINEConv, global_add_pool

from fa_pyg import (
    CanonicalFrame,
    FrameAveraging,
    PCAFrame,
    PerMode,
    PermutationFrame,
    PermutationFrames,
    RandomNodeFrame,
    Sample,
    SpectralFrame,
)
from fa_pyg.math.ragged import index_within_body
from fa_pyg.models import GIN, AdjacencyMLP
from fa_pyg.testing import assert_equivariant
from fa_pyg.transforms import AddFrames, CanonicalPose, NodeID, data_frames


class Net(nn.Module):
    """Outputs of nodes, edges and graphs that depend on the numbers of the nodes."""

    def __init__(self, features=2, edge_features=1, ids=20):
        super().__init__()
        torch.manual_seed(3)
        mlp = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 8))
        self.first, self.ids = nn.Linear(features, 8).double(), nn.Embedding(ids, 8).double()
        self.conv = GINEConv(mlp, edge_dim=edge_features).double()
        self.edge = nn.Linear(16, 3).double()

    def forward(self, x, edge_index, edge_attr, batch=None):
        batch = torch.zeros(len(x), dtype=torch.long) if batch is None else batch
        place = index_within_body(batch, torch.bincount(batch))
        h = torch.tanh(self.conv(self.first(x) + self.ids(place), edge_index, edge_attr))
        edges = self.edge(torch.cat([h[edge_index[0]], h[edge_index[1]] * place[edge_index[1], None]], 1))
        return {"node": h, "edge": edges, "graph": global_add_pool(h**2, batch)}


OUTPUT = dict.fromkeys(("node", "edge", "graph"), "scalar")
LEVEL = {"node": "node", "edge": "edge", "graph": "graph"}


def framed(frame, **options):
    return FrameAveraging(Net(), frame, output=OUTPUT, level=LEVEL, **options)


def graph(n, seed, symmetric=False):
    """A connected graph on a cycle, with features of few values, so that there are some symmetries."""
    draw = torch.Generator().manual_seed(seed)
    i = torch.arange(n)
    chords = torch.randint(0, n, (2, 0 if symmetric else n // 3), generator=draw)
    pairs = torch.cat([torch.stack([i, (i + 1) % n]), chords[:, chords[0] != chords[1]]], 1)
    pairs = torch.unique(pairs.sort(0).values, dim=1)
    edge = (
        torch.zeros(pairs.size(1), 1)
        if symmetric
        else torch.randint(0, 2, (pairs.size(1), 1), generator=draw)
    )
    x = torch.ones(n, 2) if symmetric else torch.randint(0, 2, (n, 2), generator=draw)
    index, attr = torch.cat([pairs, pairs.flip(0)], 1), torch.cat([edge, edge])
    return Data(x=x.double(), edge_index=index, edge_attr=attr.double(), num_nodes=n)


@pytest.fixture
def graphs():
    return [graph(7, 0), graph(5, 1, True), graph(9, 2), graph(4, 3, True), graph(1, 4, True), graph(12, 5)]


@pytest.fixture
def batch(graphs):
    return Batch.from_data_list(graphs)


def arguments(data):
    return {name: data[name] for name in ("x", "edge_index", "edge_attr", "batch") if name in data}


def close(a, b, tol=1e-12):
    return all((a[key] - b[key]).abs().max() < tol for key in OUTPUT)


def by_hand(net, data, orders):
    """The average over orders of the nodes of one graph, in a loop."""
    total = None
    for order in orders:
        place = torch.argsort(torch.tensor(order))
        edges = place[data.edge_index]
        row = torch.argsort(edges[0] * len(place) + edges[1], stable=True)
        out = net(data.x[torch.tensor(order)], edges[:, row], data.edge_attr[row])
        back = {"node": out["node"][place], "edge": out["edge"][torch.argsort(row)], "graph": out["graph"]}
        total = back if total is None else {key: total[key] + back[key] for key in OUTPUT}
    return {key: value / len(orders) for key, value in total.items()}


class All(PermutationFrame):
    """All orders: group averaging."""

    def build(self, graphs):
        each = [list(itertools.permutations(range(n))) for n in graphs.numbers.counts.tolist()]
        order = torch.tensor([i for one in each for order in one for i in order])
        body = torch.arange(len(each)).repeat_interleave(torch.tensor([len(one) for one in each]))
        return PermutationFrames(order, graphs.numbers.counts, body, batch=graphs.batch)


@pytest.mark.parametrize("chunk", [None, 1, 3, 100])
def test_group_average_against_a_loop(chunk):
    graphs = [graph(4, 0), graph(3, 1, True), graph(4, 3, True)]
    found = framed(All(), chunk=chunk)(**arguments(Batch.from_data_list(graphs)))
    expected = [by_hand(Net(), one, list(itertools.permutations(range(one.num_nodes)))) for one in graphs]
    assert close(found, {key: torch.cat([one[key] for one in expected]) for key in OUTPUT})


@pytest.mark.parametrize("frame", [CanonicalFrame(), SpectralFrame(max_frames=5040), All()], ids=str)
def test_equivariant_and_the_bare_model_not(frame, batch):
    if isinstance(frame, All):
        batch = Batch.from_data_list([graph(4, 0), graph(3, 1, True), graph(1, 4, True)])
    model = framed(frame)
    assert_equivariant(model, arguments(batch), "S(n)", tol=1e-10)
    with pytest.raises(AssertionError):
        assert_equivariant(Net(), arguments(batch), "S(n)", output=OUTPUT, level=LEVEL, tol=1e-2)


@pytest.mark.parametrize("frame", [RandomNodeFrame(k=2), SpectralFrame(max_frames=1)], ids=str)
def test_drawn_orders_are_not_equivariant(frame, batch):
    with pytest.raises(AssertionError):
        assert_equivariant(framed(frame), arguments(batch), "S(n)", tol=1e-2)


def nx_graph(name):
    networkx = pytest.importorskip("networkx")
    known = {
        "cycle": lambda: networkx.cycle_graph(6),
        "cube": networkx.cubical_graph,
        "Petersen": networkx.petersen_graph,
        "complete": lambda: networkx.complete_graph(20),
        "bipartite": lambda: networkx.complete_bipartite_graph(3, 4),
        "two triangles": lambda: networkx.disjoint_union(*[networkx.complete_graph(3)] * 2),
    }
    made = known[name]()
    index = torch.tensor(list(made.to_directed().edges)).t()
    ones = torch.ones(index.size(1), 1, dtype=torch.double)
    return Data(x=torch.ones(len(made), 2, dtype=torch.double), edge_index=index, edge_attr=ones), made


SYMMETRIC = ["cycle", "cube", "Petersen", "complete", "bipartite", "two triangles"]


@pytest.mark.parametrize("name", SYMMETRIC)
def test_nodes_and_edges_on_symmetric_graphs(name):
    data, _ = nx_graph(name)
    assert_equivariant(framed(CanonicalFrame()), arguments(data), "S(n)", tol=1e-10, trials=5)


@pytest.mark.parametrize("name", ["cycle", "cube", "Petersen", "bipartite", "two triangles"])
def test_orbits_are_the_average_over_all_automorphisms(name):
    networkx = pytest.importorskip("networkx")
    data, made = nx_graph(name)
    order = CanonicalFrame()(data.edge_index, data.x).order.tolist()
    symmetries = networkx.algorithms.isomorphism.GraphMatcher(made, made).isomorphisms_iter()
    orders = [[a[node] for node in order] for a in symmetries]
    assert len(orders) > 10
    assert close(framed(CanonicalFrame())(**arguments(data)), by_hand(Net(), data, orders), 1e-10)


def test_a_batch_is_its_graphs(batch, graphs):
    model = framed(CanonicalFrame())
    together, alone = model(**arguments(batch)), [model(**arguments(one)) for one in graphs]
    assert close(together, {key: torch.cat([one[key] for one in alone]) for key in OUTPUT})


def test_nodes_in_any_order_of_the_batch(batch):
    """Nodes of several graphs mixed."""
    model, mixed = framed(CanonicalFrame()), torch.randperm(batch.num_nodes)
    place = torch.argsort(mixed)
    moved = model(batch.x[mixed], place[batch.edge_index], batch.edge_attr, batch=batch.batch[mixed])
    plain = model(**arguments(batch))
    assert close({**moved, "node": moved["node"][place]}, plain)


class OfData(nn.Module):
    """Takes a Data, and reads what a collated batch has."""

    def __init__(self):
        super().__init__()
        self.net = Net()

    def forward(self, data):
        out = self.net(data.x, data.edge_index, data.edge_attr, data.batch)
        return out["graph"] + data.shift if "shift" in data else out["graph"]


def test_data_and_batch(batch, graphs):
    model = FrameAveraging(OfData(), CanonicalFrame())
    plain = framed(CanonicalFrame())(**arguments(batch))["graph"]
    assert torch.allclose(model(batch), plain)
    assert torch.allclose(model(graphs[2]), plain[2:3])
    for i, one in enumerate(graphs):
        one.shift, one.y, one.name = torch.full((1, 8), float(i)), torch.randn(one.num_nodes), str(i)
    more = Batch.from_data_list(graphs)
    assert torch.allclose(model(more), plain + torch.arange(6.0)[:, None])


def test_labels_do_not_decide_the_order(batch):
    model = FrameAveraging(OfData(), CanonicalFrame())
    before = model(batch)
    batch.y = torch.randn(batch.num_nodes)
    assert torch.equal(model(batch), before)


@pytest.mark.parametrize("frame", [CanonicalFrame(), SpectralFrame()], ids=str)
def test_stored_frames(frame, graphs, batch):
    model = framed(frame)
    plain = model(**arguments(batch))
    add = AddFrames(frame)
    together = add(batch.clone())
    loaded = next(iter(DataLoader([add(one.clone()) for one in graphs], batch_size=6)))
    for stored in (together, loaded, Batch.from_data_list(together.to_data_list())):
        out = model(**arguments(stored), frames=data_frames(stored))
        assert close(out, plain, 1e-10)


def test_stored_frames_go_with_the_calls_of_data(graphs, batch):
    model = FrameAveraging(OfData(), CanonicalFrame())
    stored = AddFrames(CanonicalFrame())(batch.clone())
    assert torch.allclose(model(stored, frames=data_frames(stored)), model(batch))
    assert torch.allclose(model(stored), model(batch))  # what is stored is no feature


def test_canonical_pose_makes_isomorphic_graphs_equal(batch, graphs):
    pose = CanonicalPose(CanonicalFrame())
    for one in graphs:
        one.node_id = torch.arange(one.num_nodes)
        order = torch.randperm(one.num_nodes)
        mix = torch.randperm(one.num_edges)
        moved = Data(
            x=one.x[order],
            edge_index=torch.argsort(order)[one.edge_index][:, mix],
            edge_attr=one.edge_attr[mix],
            node_id=one.node_id,
        )
        a, b = pose(one), pose(moved)
        assert all(torch.equal(a[key], b[key]) for key in ("x", "edge_index", "edge_attr"))
        assert torch.equal(a.node_id, one.node_id)  # places stay
    posed = pose(batch)
    for a, one in zip(posed.to_data_list(), graphs, strict=True):
        assert torch.equal(a.edge_index, pose(one).edge_index)


def test_random_relabelling_as_a_transform():
    torch.manual_seed(0)
    data = graph(9, 2)
    moved = CanonicalPose(RandomNodeFrame())(data)
    assert not torch.equal(moved.x, data.x)
    plain = framed(CanonicalFrame())(**arguments(data))["graph"]
    assert torch.allclose(framed(CanonicalFrame())(**arguments(moved))["graph"], plain)


@pytest.mark.parametrize("make", [lambda: GIN(2, 16, 3, 4, ids=20), lambda: AdjacencyMLP(2, 20, 16, 2, 4)])
def test_published_models(make, batch):
    torch.manual_seed(0)
    net = make().double()
    inputs = {name: batch[name] for name in ("x", "edge_index", "batch")}
    assert_equivariant(FrameAveraging(net, CanonicalFrame()), inputs, "S(n)", tol=1e-10)
    with pytest.raises(AssertionError):
        assert_equivariant(net, inputs, "S(n)", tol=1e-3)


def test_node_ids_belong_to_places(batch):
    torch.manual_seed(0)
    model = FrameAveraging(GIN(2, 16, 3, 4, ids=20).double(), CanonicalFrame())
    plain = model(batch.x, batch.edge_index, batch.batch)
    named = NodeID()(batch.clone())
    assert torch.equal(model(named.x, named.edge_index, named.batch, node_id=named.node_id), plain)


def test_sets_need_no_edges():
    class Sequence(nn.Module):
        def forward(self, x, batch):
            place = index_within_body(batch, torch.bincount(batch))
            return global_add_pool(x * (place + 1.0)[:, None], batch)

    x, batch = torch.randn(9, 2, dtype=torch.double), torch.tensor([0, 0, 0, 0, 1, 1, 1, 1, 1])
    assert_equivariant(FrameAveraging(Sequence(), CanonicalFrame()), {"x": x, "batch": batch}, "S(n)")
    with pytest.raises(AssertionError):
        assert_equivariant(Sequence(), {"x": x, "batch": batch}, "S(n)")


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_adjacency_matrices(kind):
    class OnMatrix(nn.Module):
        def forward(self, adj):
            adj = adj.to_dense() if adj.is_sparse else adj
            place = torch.arange(len(adj)).double()
            return (place @ (adj @ (adj @ place))).reshape(1), adj @ place

    data = graph(9, 2)
    matrix = torch.zeros(9, 9, dtype=torch.double)
    matrix[tuple(data.edge_index)] = 1 + data.edge_attr[:, 0]
    model = FrameAveraging(OnMatrix(), CanonicalFrame(), output=("scalar", "scalar"), level=("graph", "node"))

    def call(matrix):
        return model(matrix.to_sparse() if kind == "sparse" else matrix)

    order = torch.randperm(9)
    (a, nodes), (b, moved) = call(matrix), call(matrix[order][:, order])
    assert torch.allclose(a, b)
    assert torch.allclose(nodes[order], moved)
    assert not torch.allclose(OnMatrix()(matrix)[0], OnMatrix()(matrix[order][:, order])[0])


def test_inside_frames_of_motions():
    """Rotations outside, permutations inside: invariant to both."""

    class Points(nn.Module):
        def forward(self, pos, edge_index, batch):
            place = index_within_body(batch, torch.bincount(batch))
            return global_add_pool((pos * (place + 1.0)[:, None]).exp(), batch)

    torch.manual_seed(0)
    pos, batch = torch.randn(11, 3, dtype=torch.double), torch.tensor([0] * 5 + [1] * 6)
    edges = torch.tensor([[0, 1, 5, 6], [1, 2, 6, 7]])
    inputs = {"pos": pos, "edge_index": edges, "batch": batch}
    inner = FrameAveraging(Points(), CanonicalFrame(), output="scalar")
    model = FrameAveraging(inner, PCAFrame("E(3)"), output="scalar")
    assert_equivariant(model, inputs, "E(3)", tol=1e-9)  # node order, too
    bare = FrameAveraging(Points(), PCAFrame("E(3)"), output="scalar")
    with pytest.raises(AssertionError):
        assert_equivariant(bare, inputs, "E(3)", tol=1e-3)


def test_sample_and_per_mode(batch):
    model = framed(PerMode(train=Sample(SpectralFrame(), k=1), eval=CanonicalFrame()))
    torch.manual_seed(0)
    a, b = model(**arguments(batch))["graph"], model(**arguments(batch))["graph"]
    assert not torch.allclose(a, b)
    assert close(model.eval()(**arguments(batch)), framed(CanonicalFrame())(**arguments(batch)))


def test_random_orders_are_unbiased():
    data = graph(4, 0)
    torch.manual_seed(0)
    many = framed(RandomNodeFrame(k=4000))(**arguments(data))
    exact = by_hand(Net(), data, list(itertools.permutations(range(4))))
    spread = framed(RandomNodeFrame(k=1))(**arguments(data))
    assert close(many, exact, 0.1)
    assert not close(spread, exact, 0.1)


def test_gradients_reach_features_and_weights(batch):
    model = framed(CanonicalFrame())
    x = batch.x.clone().requires_grad_()
    inputs = {**arguments(batch), "x": x}

    def energy(x):
        return model(**{**inputs, "x": x})["graph"].sum()

    # Not where features tie, which a shift would part.
    with torch.no_grad():
        x += torch.randn_like(x)
    (grad,) = torch.autograd.grad(energy(x), x)
    step = torch.randn_like(x) * 1e-6
    change = (energy(x + step) - energy(x - step)) / 2
    assert abs(change - (grad * step).sum()) < 1e-5 * abs(change)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda m, b: FrameAveraging(Net(), CanonicalFrame(), inputs={"x": "vector"}),
            "inputs: expected none",
        ),
        (lambda m, b: m(b.x, b.edge_index + 99, b.edge_attr, batch=b.batch), "edge_index: expected nodes"),
        (lambda m, b: m(b.x, b.edge_index, b.edge_attr[:-1], batch=b.batch), "edge_attr"),
        (lambda m, b: m(**arguments(b), frames=PCAFrame("O(3)")(torch.randn(5, 3))), "permutation frames"),
        (
            lambda m, b: m(**arguments(b), frames=CanonicalFrame()(torch.tensor([[0], [1]]))),
            "of 6 graphs, found PermutationFrames",
        ),
        (lambda m, b: PCAFrame("S(n)"), "expected a group of motions"),
        (lambda m, b: CanonicalFrame("O(3)"), r"expected \"S\(n\)\", found O\(3\)"),
        (lambda m, b: PerMode(train=RandomNodeFrame(), eval=PCAFrame("O(3)")), "expected one group"),
        (lambda m, b: FrameAveraging(Net(), CanonicalFrame(), levels={"x": "nodes"}), "place, found 'nodes'"),
    ],
)
def test_bad_input(call, message, batch):
    with pytest.raises(ValueError, match=message):
        call(framed(CanonicalFrame()), batch)


def test_a_call_that_does_not_tell_its_nodes():
    with pytest.raises(ValueError, match="number of nodes: expected `batch`"):
        FrameAveraging(nn.Linear(3, 2), CanonicalFrame())(torch.randn(5, 3))


def test_one_graph_of_as_many_nodes_as_edges_says_which():
    class Weighted(nn.Module):
        def forward(self, x, edge_index, w):
            return (x[edge_index[0]] * w * torch.arange(len(w))).sum().reshape(1)

    edges, x = torch.tensor([[0, 1, 2], [1, 2, 0]]), torch.randn(3)
    with pytest.raises(ValueError, match=r"'w': .*found 3 rows"):
        FrameAveraging(Weighted(), CanonicalFrame())(x, edges, torch.ones(3))
    FrameAveraging(Weighted(), CanonicalFrame(), levels={"w": "edge"})(x, edges, torch.ones(3))
