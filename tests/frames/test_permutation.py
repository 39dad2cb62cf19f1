"""Frames of S(n) as values: orders, averages and draws, against loops over graphs and frames."""

import itertools

import pytest
import torch

from fa_pyg import PermutationFrames
from fa_pyg.frames.local_index import LocalIndex

BATCH = torch.tensor([1, 0, 0, 2, 1, 0, 2])  # unsorted; three, two and two nodes
EDGES = torch.tensor([[1, 2, 5, 0, 3, 6, 2], [2, 1, 2, 4, 6, 3, 5]])
SIZES = torch.tensor([3, 2, 2])


@pytest.fixture
def ragged():
    """Two orders of the first graph, one of the second, two of the third; given in a mixed order."""
    body = torch.tensor([2, 0, 1, 0, 2])
    orders = [[1, 0], [2, 0, 1], [0, 1], [0, 2, 1], [0, 1]]
    weight = torch.tensor([0.25, 0.5, 1.0, 0.5, 0.75], dtype=torch.float64)
    order = torch.tensor([i for one in orders for i in one])
    return PermutationFrames(order, SIZES, body, weight, BATCH, EDGES)


def by_hand(frames):
    """Yields, frame by frame in their own order, the graph, its weight and its nodes place by place."""
    begin = 0
    for body, weight in zip(frames.body.tolist(), frames.weight.tolist(), strict=True):
        nodes = (frames.batch == body).nonzero().squeeze(1)
        places = frames.order[begin : begin + len(nodes)]
        begin += len(nodes)
        yield body, weight, nodes[places]


def test_slot_major(ragged):
    assert ragged.body.tolist() == [0, 1, 2, 0, 2]
    assert ragged.slot_sizes == [3, 2]
    assert ragged.weight.tolist() == [0.5, 1.0, 0.25, 0.5, 0.75]
    assert ragged.order.tolist() == [2, 0, 1, 0, 1, 1, 0, 0, 2, 1, 0, 1]


def test_to_frame_puts_nodes_into_their_places(ragged):
    x = torch.randn(7, 2)
    found, begin = ragged.to_frame(x), 0
    nodes = [nodes for _, _, nodes in by_hand(ragged)]
    for graphs in ((0, 1, 2), (0, 2)):
        places = [p for p in range(7) if BATCH[p] in graphs]
        expected = torch.zeros(7, 2)
        for graph in graphs:
            expected[graph == BATCH] = x[nodes.pop(0)]
        assert torch.equal(found[begin : begin + len(places)], expected[places])
        begin += len(places)
    assert begin == len(found)


def test_edges_in_frame_join_the_same_nodes(ragged):
    edges, x = ragged.edges_in_frame(), torch.arange(7)
    framed, row = ragged.to_frame(x), ragged.sources("edge")[0]
    assert torch.equal(framed[edges], EDGES[:, row])
    first = edges[:, : EDGES.size(1)]
    assert torch.equal(first, first[:, torch.argsort(first[0] * 7 + first[1])])  # row by row


@pytest.mark.parametrize("level", ["node", "edge", "graph"])
def test_average_of_what_was_framed_is_itself(ragged, level, dtype):
    x = torch.randn({"node": 7, "edge": 7, "graph": 3}[level], 2, 3, dtype=dtype)
    found = ragged.average(ragged.to_frame(x, level=level), level=level)
    assert found.dtype == dtype
    torch.testing.assert_close(found, x)
    back = ragged.from_frame(ragged.to_frame(x, level=level), level=level)
    if level != "graph":
        assert torch.equal(back, x[ragged.rows(BATCH if level == "node" else BATCH[EDGES[0]], 7)[0]])


def test_average_weighs(ragged):
    y = torch.randn(12, dtype=torch.float64)
    expected, begin = torch.zeros(7, dtype=torch.float64), 0
    frames = list(by_hand(ragged))
    for graphs in ((0, 1, 2), (0, 2)):
        places = [p for p in range(7) if BATCH[p] in graphs]
        of = {graph: frames.pop(0) for graph in graphs}
        taken = dict.fromkeys(graphs, 0)
        for p, value in zip(places, y[begin : begin + len(places)], strict=True):
            _, weight, nodes = of[int(BATCH[p])]
            expected[nodes[taken[int(BATCH[p])]]] += weight * value
            taken[int(BATCH[p])] += 1
        begin += len(places)
    torch.testing.assert_close(ragged.average(y, level="node"), expected)


def test_orbits_are_averaged():
    orbit = torch.tensor([0, 0, 0, 0, 0, 2, 1])  # nodes 1 and 2 of the first graph, both of the second
    frames = PermutationFrames(torch.tensor([0, 1, 2, 1, 0, 0, 1]), SIZES, batch=BATCH, orbit=orbit)
    y = torch.arange(7.0)
    x = frames.average(y, level="node")
    assert x[1] == x[2] == 1.5
    assert x[5] == 5
    assert x[0] == x[4] == 2
    assert x[3] == 3
    assert x[6] == 6


def test_sample_of_all_takes_each_once(ragged):
    drawn = ragged.sample(4, torch.Generator().manual_seed(0))
    assert drawn.slots == 4
    assert drawn.weight.eq(0.25).all()
    orders = [tuple(nodes.tolist()) for body, _, nodes in by_hand(drawn) if body == 2]
    assert sorted(orders) == [(3, 6)] * 3 + [(6, 3)]
    assert sorted({tuple(n.tolist()) for b, _, n in by_hand(drawn) if b == 0}) == [(1, 5, 2), (5, 1, 2)]


def test_with_one_frame(ragged):
    one = ragged.with_one_frame(torch.tensor([True, False, False]))
    assert one.body.tolist() == [0, 1, 2, 2]
    assert one.weight.tolist() == [1.0, 1.0, 0.25, 0.75]
    x = torch.randn(7)
    torch.testing.assert_close(one.average(one.to_frame(x)), x)


def test_numbers():
    numbers = LocalIndex(BATCH, 4)
    assert numbers.local.tolist() == [0, 0, 1, 0, 1, 2, 1]
    assert numbers.counts.tolist() == [3, 2, 2, 0]
    assert torch.equal(numbers.to_batch(BATCH, numbers.local), torch.arange(7))


def test_moving_and_casting(ragged):
    moved = ragged.to(torch.float32)
    assert moved.weight.dtype == torch.float32
    assert moved.order.dtype == torch.long
    assert torch.equal(moved.to_frame(torch.arange(7)), ragged.to_frame(torch.arange(7)))


def test_no_nodes_and_no_graphs():
    none = PermutationFrames(torch.zeros(0, dtype=torch.long), torch.tensor([0, 0]))
    assert none.average(torch.ones(2, 3), level="graph").shape == (2, 3)
    assert none.to_frame(torch.ones(0, 3), level="node").shape == (0, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"order": torch.tensor([0, 0])}, "order: expected a permutation"),
        ({"order": torch.tensor([0, 2])}, "order: expected a permutation"),
        ({"order": torch.tensor([0, 1, 2])}, "order: expected 2 positions in all frames, found 3"),
        ({"body": torch.tensor([1])}, "body: expected at least one frame"),
        ({"weight": torch.ones(2)}, "weight: expected 1 numbers"),
        ({"batch": torch.tensor([0, 0, 0])}, "batch: expected"),
    ],
)
def test_bad_arguments(change, message):
    good = {"order": torch.tensor([1, 0]), "sizes": torch.tensor([2])}
    PermutationFrames(**good)
    with pytest.raises(ValueError, match=message):
        PermutationFrames(**{**good, **change})


def test_bad_calls(ragged):
    for level, message in (("nodes", "level"), ("edge", "rows"), (None, "rows")):
        with pytest.raises(ValueError, match=message):
            ragged.average(torch.ones(6), level=level)
    with pytest.raises(ValueError, match="scalar"):
        ragged.average(torch.ones(12), "vector")
    with pytest.raises(ValueError, match="floating"):
        ragged.average(torch.ones(12, dtype=torch.long), level="node")
    with pytest.raises(ValueError, match="positive"):
        ragged.sample(0)
    with pytest.raises(ValueError, match="edge_index"):
        PermutationFrames(torch.tensor([1, 0]), torch.tensor([2])).to_frame(torch.ones(2), level="edge")


def test_every_permutation_averages_to_the_group_average():
    orders = list(itertools.permutations(range(3)))
    body = torch.zeros(6, dtype=torch.long)
    frames = PermutationFrames(torch.tensor(orders).flatten(), torch.tensor([3]), body)
    x = torch.randn(3, dtype=torch.float64)
    y = frames.to_frame(x).view(6, 3) * torch.tensor([1.0, 2.0, 4.0])  # a model that knows places
    expected = torch.zeros(3, dtype=torch.float64)
    for order in orders:
        for place, node in enumerate(order):
            expected[node] += x[node] * 2**place / 6
    torch.testing.assert_close(frames.average(y.flatten(), level="node"), expected)
