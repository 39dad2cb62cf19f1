"""The spectral frame: sorted by eigenspaces, transitive ties, all orders or a random sample."""

import itertools
import math

import pytest
import torch
from torch import nn
from torch_geometric.utils import to_undirected

from fa_pyg import CanonicalFrame, FrameAveraging, RandomNodeFrame, SpectralFrame
from fa_pyg.builders.graphs import graphs_of
from fa_pyg.builders.spectral import _grouped
from fa_pyg.builders.ties import orders
from fa_pyg.frames.local_index import LocalIndex


def cycle(n):
    i = torch.arange(n)
    return to_undirected(torch.stack([i, (i + 1) % n]))


def star(n):
    return to_undirected(torch.stack([torch.zeros(n, dtype=torch.long), torch.arange(1, n + 1)]))


def generic(n, seed=0):
    """A random graph without symmetries, with high probability."""
    upper = torch.rand(n, n, generator=torch.Generator().manual_seed(seed)).lt(0.4).triu(1)
    return (upper | upper.T).nonzero().t()


def framed(frames, edge_index, x=None):
    """The adjacency matrices (and features) in every frame of one graph, with their weights."""
    n, begin, found = int(frames.sizes[0]), 0, {}
    for weight in frames.weight.tolist():
        order = frames.order[begin : begin + n]
        begin += n
        place = torch.argsort(order)
        entries = sorted(map(tuple, place[edge_index].t().tolist()))
        key = (tuple(entries), () if x is None else tuple(map(tuple, x[order].tolist())))
        found[key] = found.get(key, 0) + weight
    return found


@pytest.mark.parametrize(
    "edges", [cycle(5), star(4), generic(9), generic(7, 3)], ids=["cycle", "star", "a", "b"]
)
def test_frames_of_a_relabelled_graph_are_the_same_weighted_set(edges):
    n = int(edges.max()) + 1
    frame = SpectralFrame(max_frames=math.factorial(5))
    plain = frame(edges)
    assert plain.exact_for().all()
    for seed in range(10):
        order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
        moved = torch.argsort(order)[edges]
        a, b = framed(plain, edges), framed(frame(moved), moved)
        assert a.keys() == b.keys()
        assert all(abs(a[key] - b[key]) < 1e-12 for key in a)


def test_number_of_frames():
    assert SpectralFrame()(generic(9, 1)).num_frames == 1
    assert SpectralFrame()(star(5)).num_frames == math.factorial(5)
    assert SpectralFrame()(cycle(5)).num_frames == math.factorial(5)
    drawn = SpectralFrame(max_frames=7)(cycle(5))
    assert drawn.num_frames == 7
    assert not drawn.exact_for().any()


def test_sorted_by_projections_against_a_loop():
    edges = generic(8, 5)
    adjacency = torch.zeros(8, 8, dtype=torch.double).index_put_(
        tuple(edges), torch.ones(edges.size(1)).double()
    )
    values, vectors = torch.linalg.eigh(torch.diag(adjacency.sum(1)) - adjacency)
    spaces = []
    for value, vector in zip(values, vectors.T, strict=True):
        if spaces and value - spaces[-1][0] < 1e-6:
            spaces[-1] = (value, spaces[-1][1] + vector**2)
        else:
            spaces.append((value, vector**2))
    rows = [tuple(round(float(s[i].sqrt()), 7) for _, s in spaces) for i in range(8)]
    expected = sorted(range(8), key=lambda i: rows[i])
    frames = SpectralFrame()(edges)
    assert frames.num_frames == 1
    assert frames.order.tolist() == expected


def test_features_come_first_and_split_ties():
    x = torch.tensor([[2.0], [1.0], [3.0], [0.0], [1.5]])
    frames = SpectralFrame()(cycle(5), x)
    assert frames.order.tolist() == [3, 1, 4, 0, 2]
    edges = cycle(5)
    marked = (edges == 0).all(0) | ((edges[0] + edges[1] == 1) & (edges.abs().sum(0) == 1))
    one = SpectralFrame()(edges, edge_attr=marked.double())
    assert one.num_frames < math.factorial(5)  # the marked edge breaks the symmetry


def test_direction_and_loops_take_part():
    path = torch.tensor([[0, 1], [1, 2]])
    assert SpectralFrame()(path).num_frames == 1
    loop = torch.cat([cycle(3), torch.tensor([[0], [0]])], 1)
    assert SpectralFrame()(loop).num_frames == 2
    assert SpectralFrame()(cycle(3)).num_frames == 6


def test_a_batch_is_its_graphs():
    graphs = [cycle(5), generic(9), star(3), torch.zeros(2, 0, dtype=torch.long), generic(33)]
    sizes, frame = [5, 9, 4, 1, 33], SpectralFrame()
    begin = torch.tensor([0, *sizes]).cumsum(0)
    edges = torch.cat([one + b for one, b in zip(graphs, begin, strict=False)], 1)
    batch = torch.arange(5).repeat_interleave(torch.tensor(sizes))
    together = frame.ranks(graphs_of(edges, batch=batch))
    for one, n, b in zip(graphs, sizes, begin.tolist(), strict=False):
        assert torch.equal(together[b : b + n], frame.ranks(graphs_of(one, num_nodes=n)))


def test_ties_are_transitive():
    values = torch.tensor([[[0.0], [0.9], [1.8], [5.0]]])
    assert _grouped(values, 1.0).flatten().tolist() == [0, 0, 0, 1]


def test_orders_against_a_loop():
    """Ranks 0 0 2 | 0 | 0 0 2 2: two, one and four orders."""
    rank = torch.tensor([0, 0, 2, 0, 2, 0, 2, 0])
    body = torch.tensor([0, 0, 0, 1, 2, 2, 2, 2])
    made = orders(rank, LocalIndex(body, 3), 4)
    found, begin = {0: [], 1: [], 2: []}, 0
    for graph in made["body"].tolist():
        n = int((body == graph).sum())
        found[graph].append(tuple(made["order"][begin : begin + n].tolist()))
        begin += n
    assert sorted(found[0]) == [(0, 1, 2), (1, 0, 2)]
    assert found[1] == [(0,)]
    expected = [(*a, *b) for a in itertools.permutations([1, 3]) for b in itertools.permutations([0, 2])]
    assert sorted(found[2]) == sorted(expected)
    assert made["body"].tolist() == [0, 1, 2, 0, 2, 2, 2]
    assert made["exact"].all()


def test_drawn_orders_are_uniform():
    rank = torch.tensor([0, 0, 0, 3])
    generator = torch.Generator().manual_seed(0)
    made = orders(rank, LocalIndex(torch.zeros(4, dtype=torch.long), 1), 5, generator)
    assert made["order"].view(5, 4)[:, 3].eq(3).all()
    assert not made["exact"].any()
    counts = {}
    for _ in range(600):
        for one in orders(rank, LocalIndex(torch.zeros(4, dtype=torch.long), 1), 5, generator)["order"].view(
            5, 4
        ):
            key = tuple(one.tolist())
            counts[key] = counts.get(key, 0) + 1
    assert len(counts) == 6
    assert min(counts.values()) > 420
    assert max(counts.values()) < 580


def test_random_nodes_are_uniform():
    frames = RandomNodeFrame(k=6000, generator=torch.Generator().manual_seed(0))(cycle(3))
    numbers = torch.bincount((frames.order.view(-1, 3) * torch.tensor([9, 3, 1])).sum(1))
    assert len(numbers[numbers > 0]) == 6
    assert numbers[numbers > 0].min() > 880


def test_isolated_nodes_and_empty_graphs():
    frames = SpectralFrame()(torch.zeros(2, 0, dtype=torch.long), num_nodes=3)
    assert frames.num_frames == 6
    batch = torch.tensor([1, 1, 1])
    frames = SpectralFrame()(cycle(3), batch=batch, num_graphs=3)
    assert frames.counts.tolist() == [1, 6, 1]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SpectralFrame(tol=0), "tol: expected a number between 0 and 1, found 0"),
        (lambda: SpectralFrame(max_frames=0), "max_frames: expected a positive integer, found 0"),
        (lambda: SpectralFrame("E(3)"), r"SpectralFrame: expected \"S\(n\)\", found E\(3\)"),
        (lambda: RandomNodeFrame(k=1.5), "k: expected a positive integer, found 1.5"),
        (lambda: SpectralFrame()(torch.tensor([[0.0], [1.0]])), r"edge_index: expected int64 \[2, E\]"),
        (lambda: SpectralFrame()(cycle(4), batch=torch.tensor([0, 0, 1, 1])), "edges within graphs"),
        (lambda: SpectralFrame()(cycle(4), batch=torch.tensor([0, 0, 0])), "nodes from 0 to 2, found 0 to 3"),
        (lambda: SpectralFrame()(cycle(4), edge_attr=torch.ones(3)), r"edge_attr: expected \[8"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(ValueError, match=message):
        make()


class PlacesOfEdges(nn.Module):
    """Tells edges apart by their places."""

    def forward(self, x, edge_index, edge_attr, batch):
        return x[edge_index[0]] + edge_attr + torch.arange(edge_index.size(1), dtype=x.dtype)


@pytest.mark.parametrize("frame", [SpectralFrame(), CanonicalFrame()], ids=str)
def test_the_order_of_equal_edges_does_not_matter(frame):
    """Edges that nothing tells apart have one output, in whatever order they are given."""
    edge_index = torch.tensor([[0, 0, 1, 1, 3, 3, 4, 3], [1, 1, 0, 2, 4, 4, 3, 4]])
    attr = torch.tensor([0, 0, 0, 0, 1, 1, 1, 2]).double()
    x, batch = torch.tensor([1, 2, 3, 1, 1]).double(), torch.tensor([0, 0, 0, 1, 1])
    model = FrameAveraging(PlacesOfEdges(), frame, level="edge")
    right = model(x, edge_index, attr, batch)
    for _ in range(5):
        q = torch.randperm(8)
        assert torch.allclose(model(x, edge_index[:, q], attr[q], batch), right[q], atol=1e-12)
