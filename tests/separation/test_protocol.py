"""Pairs told apart, against all pairs one by one; graphs told from their own copies."""

import itertools

import pytest
import torch
from torch import nn
from torch_geometric.data import Batch, Data

import fa_pyg.separation.pairs as pairs_module
from fa_pyg import CanonicalFrame, FrameAveraging, RandomNodeFrame, SpectralFrame
from fa_pyg.models import GIN, AdjacencyMLP
from fa_pyg.separation.parts import parts_of
from fa_pyg.separation.protocol import is_settled, random_outputs
from fa_pyg.testing import Separation, pairs_not_told_apart, relabelled, separation

DOUBLE = torch.float64


def ring(*sizes):
    """Cycles beside each other in one graph."""
    edges, first = [], 0
    for n in sizes:
        edges += [(first + i, first + (i + 1) % n) for i in range(n)]
        first += n
    edges = torch.tensor(edges).T
    return Data(x=torch.ones(first, 1), edge_index=torch.cat([edges, edges.flip(0)], dim=1))


def path(n):
    edges = torch.stack([torch.arange(n - 1), torch.arange(1, n)])
    return Data(x=torch.ones(n, 1), edge_index=torch.cat([edges, edges.flip(0)], dim=1))


@pytest.fixture
def graphs():
    """Two pairs that message passing cannot tell apart, and graphs that it can."""
    return Batch.from_data_list([ring(6), ring(3, 3), ring(8), ring(4, 4), ring(3, 5), path(6), path(7)])


def every_pair(outputs, threshold):
    """The definition, pair by pair and model by model."""
    size = len(outputs[0])
    return [
        [i, j]
        for i, j in itertools.combinations(range(size), 2)
        if all((y[i] - y[j]).abs().sum().item() <= threshold for y in outputs)
    ]


@pytest.mark.parametrize("block", [1, 50, 1 << 22])
@pytest.mark.parametrize("near", [0.02, 0.4, 100.0])
def test_pairs_are_those_of_the_definition(block, near, monkeypatch):
    monkeypatch.setattr(pairs_module, "BLOCK", block)
    outputs = torch.rand(3, 40, 4, dtype=DOUBLE)
    outputs[:, 20:30] = outputs[:, :10] + 1e-3 * torch.rand(3, 10, 4, dtype=DOUBLE)
    outputs[1, 20:23] += 1  # told apart by one model only
    found = pairs_not_told_apart(outputs, threshold=near)
    assert found.tolist() == every_pair(outputs, near)
    assert 7 <= len(found) <= 780
    chosen = torch.tensor([[0, 20], [5, 25], [25, 5], [1, 39]])
    kept = pairs_not_told_apart(list(outputs), chosen, near).tolist()
    assert kept == [pair for pair in chosen.tolist() if sorted(pair) in found.tolist()]


def test_the_threshold_belongs_to_the_pairs_not_told_apart():
    y = torch.tensor([[0.0, 0.0], [0.25, 0.25], [1.0, 0.0]], dtype=DOUBLE)
    assert pairs_not_told_apart([y], threshold=0.5).tolist() == [[0, 1]]
    assert pairs_not_told_apart([y], threshold=0.49).tolist() == []
    assert pairs_not_told_apart([y[:1]]).tolist() == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([],), "outputs: expected a tensor per initialization, found none"),
        (([torch.zeros(3, 2), torch.zeros(3, 1)],), r"outputs\[1\]: expected .*\[3, 2\], found \[3, 1\]"),
        (([torch.tensor([[0.0], [float("nan")]])],), r"outputs\[0\]: expected finite numbers, found nan"),
        (([torch.zeros(3, 2)], torch.zeros(2, 2)), r"pairs: expected int64 \[P, 2\]"),
        (([torch.zeros(3, 2)], None, -1.0), "threshold: expected a number >= 0, found -1.0"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        pairs_not_told_apart(*arguments)


def test_relabelled_graphs_are_isomorphic_and_others(graphs):
    nx = pytest.importorskip("networkx")
    from torch_geometric.utils import to_networkx

    graphs.mark = torch.arange(graphs.num_nodes)  # of nodes
    graphs.edge_attr = graphs.mark[graphs.edge_index].T.clone()  # of edges
    copies = relabelled(graphs, torch.Generator().manual_seed(1))
    assert not torch.equal(copies.edge_index, graphs.edge_index)
    assert torch.equal(copies.mark[copies.edge_index].T, copies.edge_attr)
    assert torch.equal(copies.mark.sort().values, graphs.mark)
    assert (copies.mark != graphs.mark).any()
    for a, b in zip(graphs.to_data_list(), copies.to_data_list(), strict=True):
        assert nx.is_isomorphic(to_networkx(a), to_networkx(b))
    assert relabelled(graphs, torch.Generator().manual_seed(1)).edge_index.equal(copies.edge_index)
    graphs.support_index = graphs.edge_index
    with pytest.raises(ValueError, match="support_index"):
        relabelled(graphs)


def gin(**kw):
    return GIN(1, 16, 3, 10, act=torch.tanh, **kw)


CASES = {
    # model: pairs not told apart, sound
    "bare": (gin, [[0, 1], [2, 3], [2, 4], [3, 4]], 1.0),
    "canonical": (lambda: FrameAveraging(gin(ids=8), CanonicalFrame("S(n)")), [], 1.0),
    "random": (lambda: FrameAveraging(gin(ids=8), RandomNodeFrame("S(n)", k=1)), [], 0.0),
    "not framed": (lambda: gin(ids=8), [], 0.0),
    "spectral, MLP": (lambda: FrameAveraging(AdjacencyMLP(1, 8, 16, 1, 10), SpectralFrame("S(n)")), [], None),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_told_apart_and_how_soundly(case, graphs):
    make, expected, sound = CASES[case]
    found = separation(make, graphs, initializations=8)
    assert isinstance(found, Separation)
    assert found.pairs.tolist() == expected
    assert found.num_graphs == 7
    if sound is not None:
        assert found.soundness == sound
        assert len(found.unsound) == (0 if sound else 7)
    else:  # of the graphs with at most 120 orders all orders are averaged: paths
        assert not {5, 6} & set(found.unsound.tolist())
        assert 0 < found.soundness < 1


def test_given_pairs_and_the_transform(graphs):
    chosen = torch.tensor([[0, 1], [5, 6]])
    assert separation(gin, graphs, chosen, initializations=3).pairs.tolist() == [[0, 1]]

    def sized(batch):
        sizes = batch.ptr.diff()[batch.batch].unsqueeze(1)
        batch.x = batch.x * sizes
        batch.x = batch.x + (batch.batch == 1).unsqueeze(1)
        return batch

    assert separation(gin, graphs, chosen, transform=sized, initializations=3).pairs.tolist() == []
    assert graphs.x.max() == 1  # as it was


def test_outputs_are_those_of_the_model_on_all_graphs(graphs, monkeypatch):
    made = []

    def make():
        made.append(FrameAveraging(gin(ids=8), CanonicalFrame("S(n)")))
        return made[-1]

    outputs = list(random_outputs(make, [graphs], initializations=2, squash=None))
    model = made[-1]
    with torch.no_grad():
        expected = model(graphs.x.double(), graphs.edge_index, batch=graphs.batch)
    torch.testing.assert_close(outputs[1][0], expected, rtol=0, atol=1e-12)
    parts = parts_of(model, graphs, nodes=16)
    assert len(parts) > 2
    assert torch.cat([part.graphs for part in parts]).sort().values.tolist() == list(range(7))
    with torch.no_grad():
        again = torch.cat([part(model) for part in parts])
    torch.testing.assert_close(again, expected, rtol=0, atol=1e-12)


def test_initializations_can_be_made_in_parts_and_leave_the_random_numbers_alone(graphs):
    make = CASES["random"][0]
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    whole = torch.stack(list(random_outputs(make, [graphs, graphs], initializations=4)))
    assert torch.equal(torch.random.get_rng_state(), before)
    rest = torch.stack(list(random_outputs(make, [graphs, graphs], initializations=4, first=2)))
    assert torch.equal(whole[2:], rest)
    assert not torch.equal(whole[0], whole[1])
    assert not torch.equal(whole[:, 0], whole[:, 1])  # fresh draws for each set
    assert whole.abs().max() <= 1


def test_frames_are_computed_once_where_nothing_is_drawn(graphs, monkeypatch):
    calls = []
    for frame in (CanonicalFrame, SpectralFrame, RandomNodeFrame):
        build = frame.build
        monkeypatch.setattr(
            frame, "build", lambda self, g, build=build: calls.append(type(self).__name__) or build(self, g)
        )
    for name, frame in (
        ("canonical", CanonicalFrame),
        ("spectral", SpectralFrame),
        ("random", RandomNodeFrame),
    ):
        counts = []
        for initializations in (1, 6):
            calls.clear()
            make = lambda frame=frame: FrameAveraging(gin(ids=8), frame("S(n)"))  # noqa: E731
            list(random_outputs(make, [graphs], initializations=initializations))
            counts.append(len(calls))
        assert (counts[0] == counts[1]) == (name != "random"), (name, counts)


def test_a_model_of_nodes_is_an_error(graphs):
    class Nodes(nn.Module):
        def forward(self, x, edge_index, batch):
            return x

    with pytest.raises(ValueError, match=r"make_model: expected outputs \[7, C\], found \[49, 1\]"):
        separation(Nodes, graphs, initializations=1)


def test_a_count_ends_where_nothing_can_change_any_more():
    outputs = [torch.randn(2, 6, 3) for _ in range(2)]
    pairs = torch.arange(6).view(3, 2)
    assert is_settled(outputs, pairs)
    assert is_settled(outputs)
    outputs[0][0, 1], outputs[1][0, 1] = outputs[0][0, 0], outputs[1][0, 0]
    assert not is_settled(outputs, pairs)  # a pair is left
    assert is_settled(outputs, pairs[1:])
    outputs[0][1, 5], outputs[1][1, 5] = outputs[0][0, 5], outputs[1][0, 5]
    assert not is_settled(outputs, pairs[1:])  # a graph is not told from its copy
