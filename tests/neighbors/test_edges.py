"""Edges within a radius and to the nearest neighbors, against a loop in Python."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fa_pyg.neighbors.edges import knn, knn_graph, radius, radius_graph
from fa_pyg.nn import neighbors

SIZES = [7, 0, 1, 23, 2, 40, 1]


def oracle(x, batch, y, batch_y, k=None, r=None, loop=None):
    """Pairs [row, col] by a loop: rows ascend; nearest first if r is None, else lowest index first."""
    pairs = []
    for i in range(len(y)):
        near = []
        for j in range(len(x)):
            if batch[j] != batch_y[i] or (loop is False and i == j):
                continue
            d2 = ((x[j] - y[i]) ** 2).sum().item()
            if d2 < (float("inf") if r is None else r * r):
                near.append((-1 if loop and i == j else d2, j))
        near = sorted(near)[:k]
        pairs += [(i, j) for _, j in (near if r is None else sorted(near, key=lambda n: n[1]))]
    return torch.tensor(pairs, dtype=torch.long).view(-1, 2).t()


def clouds(d, dtype=torch.float64, seed=0, sizes=SIZES):
    generator = torch.Generator().manual_seed(seed)
    batch = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    return torch.randn(len(batch), d, generator=generator, dtype=dtype), batch


@pytest.fixture(params=["graphs", "cells"])
def way(request, monkeypatch):
    """Small inputs are compared graph by graph; a limit of 0 sends them through the cells of a grid."""
    if request.param == "cells":
        monkeypatch.setattr(neighbors, "GRAPH_LIMIT", 0)
    return request.param


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("d", [1, 2, 3, 5])
@pytest.mark.parametrize(
    ("r", "k", "loop"), [(0.5, None, False), (0.9, 3, False), (0.9, 3, True), (50.0, None, True)]
)
def test_radius_graph_is_that_of_the_loop(way, d, dtype, r, k, loop):
    x, batch = clouds(d, dtype)
    expected = oracle(x, batch, x, batch, k, r, loop)
    assert torch.equal(radius_graph(x, r, batch, loop, k, flow="target_to_source"), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("d", [1, 2, 3, 5])
@pytest.mark.parametrize(("k", "loop"), [(1, False), (4, False), (4, True), (100, False)])
def test_knn_graph_is_that_of_the_loop(way, d, dtype, k, loop):
    x, batch = clouds(d, dtype)
    expected = oracle(x, batch, x, batch, k, None, loop)
    assert torch.equal(knn_graph(x, k, batch, loop, flow="target_to_source"), expected)


@pytest.mark.parametrize("d", [2, 3, 4])
def test_between_two_sets(way, d):
    (x, batch_x), (y, batch_y) = clouds(d), clouds(d, seed=1, sizes=[3, 4, 0, 9, 30, 1])
    assert torch.equal(radius(x, y, 0.8, batch_x, batch_y, 3), oracle(x, batch_x, y, batch_y, 3, 0.8))
    assert torch.equal(radius(x, y, 0.8, batch_x, batch_y, None), oracle(x, batch_x, y, batch_y, None, 0.8))
    assert torch.equal(knn(x, y, 4, batch_x, batch_y), oracle(x, batch_x, y, batch_y, 4))


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_ties_and_coincident_points(data):
    """Points of a small lattice: almost every distance is shared, and many points coincide."""
    d = data.draw(st.integers(1, 3))
    n = data.draw(st.integers(1, 30))
    values = st.integers(-2, 2) if data.draw(st.booleans()) else st.sampled_from([-1000, 0, 1, 2, 3])
    x = data.draw(st.lists(st.tuples(*[values] * d), min_size=n, max_size=n))
    x = torch.tensor(x, dtype=torch.float32)
    batch = torch.tensor(data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))).sort().values
    k, loop = data.draw(st.integers(1, 6)), data.draw(st.booleans())
    r = data.draw(st.sampled_from([1.0, 1.5, 2.0, 3.0]))
    limit = neighbors.GRAPH_LIMIT
    for neighbors.GRAPH_LIMIT in (limit, 0):
        try:
            found = knn_graph(x, k, batch, loop, flow="target_to_source")
            assert torch.equal(found, oracle(x, batch, x, batch, k, None, loop))
            for most in (k, None):
                found = radius_graph(x, r, batch, loop, most, flow="target_to_source")
                assert torch.equal(found, oracle(x, batch, x, batch, most, r, loop))
        finally:
            neighbors.GRAPH_LIMIT = limit


def test_boundary_is_excluded(way):
    x = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
    assert radius_graph(x, 5.0).numel() == 0
    assert radius_graph(x, 5.000001).tolist() == [[1, 0], [0, 1]]
    assert radius_graph(x, 0.0, loop=True).numel() == 0
    assert radius_graph(x, float("inf"), loop=True).tolist() == [[0, 1, 0, 1], [0, 0, 1, 1]]


def test_uncut_radius_graph_is_symmetric(way):
    x, batch = clouds(3, torch.float32)
    edge_index = radius_graph(x, 1.0, batch, max_num_neighbors=None)
    flipped = radius_graph(x, 1.0, batch, max_num_neighbors=None, flow="target_to_source")
    assert torch.equal(edge_index, flipped.flip(0))
    assert {tuple(e) for e in edge_index.t().tolist()} == {tuple(e) for e in flipped.t().tolist()}


def test_batch_in_any_order(way):
    x, batch = clouds(3)
    shuffle = torch.randperm(len(x), generator=torch.Generator().manual_seed(5))
    for build in (lambda x, b: radius_graph(x, 1.0, b, max_num_neighbors=4), lambda x, b: knn_graph(x, 3, b)):
        straight, shuffled = build(x, batch), build(x[shuffle], batch[shuffle])
        assert (shuffled[1].diff() >= 0).all()
        assert {tuple(e) for e in shuffle[shuffled].t().tolist()} == {tuple(e) for e in straight.t().tolist()}
        rank = oracle(x[shuffle], batch[shuffle], x[shuffle], batch[shuffle], 3, None, False)
    assert torch.equal(shuffled.flip(0), rank)  # nearest first, as in a sorted batch


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_a_node_that_is_not_finite_has_no_edges(way, bad):
    x, batch = clouds(3)
    broken = x.clone()
    broken[3, 1] = bad
    keep = torch.arange(len(x)) != 3
    for build in (lambda x, b: radius_graph(x, 1.0, b), lambda x, b: knn_graph(x, 3, b)):
        without = build(x[keep], batch[keep])
        assert torch.equal(build(broken, batch), torch.arange(len(x))[keep][without])


@pytest.mark.parametrize("n", [0, 1])
def test_no_points_and_single_points(way, n):
    for batch in (None, torch.zeros(n, dtype=torch.long)):
        for edges in (radius_graph(torch.zeros(n, 3), 1.0, batch), knn_graph(torch.zeros(n, 3), 2, batch)):
            assert edges.shape == (2, 0)
            assert edges.dtype == torch.long
    assert knn_graph(torch.zeros(n, 3), 2, loop=True).tolist() == [[0] * n, [0] * n]
    assert knn_graph(torch.zeros(9, 3), 0).shape == (2, 0)
    assert radius_graph(torch.zeros(9, 3), 1.0, max_num_neighbors=0).shape == (2, 0)


def test_all_points_coincide(way):
    x = torch.ones(9, 3)
    expected = oracle(x, [0] * 9, x, [0] * 9, 2, None, False)
    assert torch.equal(knn_graph(x, 2, flow="target_to_source"), expected)
    assert radius_graph(x, 1e-3).size(1) == 72


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.int32, torch.int64])
def test_other_types(way, dtype):
    x = (4 * clouds(2)[0]).to(dtype)
    batch = clouds(2)[1].to(torch.int32)
    assert torch.equal(knn_graph(x, 3, batch), knn_graph(x.double(), 3, batch))
    assert torch.equal(radius_graph(x, 2.5, batch), radius_graph(x.double(), 2.5, batch))


def test_one_axis_may_be_left_out():
    x, batch = clouds(1)
    assert torch.equal(knn_graph(x[:, 0], 3, batch), knn_graph(x, 3, batch))


def test_cosine():
    x, batch = clouds(4)
    x = x * torch.logspace(-3, 3, len(x), dtype=x.dtype)[:, None]
    x[10] = 0
    unit = x / x.norm(dim=1, keepdim=True).clamp(min=1e-30)
    similarity = (unit @ unit.t()).masked_fill(batch[:, None] != batch, -9).fill_diagonal_(-9)
    row, col = knn_graph(x, 1, batch, cosine=True, flow="target_to_source")
    best, expected = similarity.max(dim=1)
    assert torch.equal(row, (best > -9).nonzero().view(-1))
    assert torch.equal(col[row != 10], expected[row[row != 10]])
    assert not torch.equal(col, knn_graph(x, 1, batch)[0])
    nearest_to_zero = knn_graph(torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, -1.0]]), 1, cosine=True)
    assert nearest_to_zero.tolist() == [[1, 0, 0], [0, 1, 2]]  # right angles are nearer than obtuse ones


def test_gradients_do_not_pass_and_input_is_left_alone():
    x, batch = clouds(3)
    before = x.clone()
    edge_index = radius_graph(x.requires_grad_(), 1.0, batch)
    assert not edge_index.requires_grad
    assert torch.equal(x.detach(), before)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, b: radius_graph(x, -1.0, b), "r: expected a number >= 0, found -1.0"),
        (lambda x, b: radius_graph(x, float("nan"), b), "r: expected"),
        (lambda x, b: radius_graph(x, 1.0, b, max_num_neighbors=-1), "max_num_neighbors: expected"),
        (lambda x, b: knn_graph(x, -1, b), "k: expected an integer >= 0, found -1"),
        (lambda x, b: knn_graph(x, 1.5, b), "k: expected"),
        (lambda x, b: knn_graph(x, None, b), "k: expected"),
        (lambda x, b: knn_graph(x, 1, b, flow="up"), "flow: expected"),
        (lambda x, b: knn_graph(x, 1, b[:-1]), r"batch: expected an integer tensor \[74\].*found \[73\]"),
        (lambda x, b: knn_graph(x, 1, b.double()), "batch: expected an integer tensor"),
        (lambda x, b: knn_graph(x, 1, b - 1), "found -1 to 5"),
        (lambda x, b: knn_graph(x, 1, b, batch_size=3), r"from 0 to 2 \(batch_size\), found 0 to 6"),
        (lambda x, b: knn_graph(x[None], 1), "x: expected a real tensor"),
        (lambda x, b: knn_graph(x + 1j, 1), "x: expected a real tensor"),
        (lambda x, b: radius(x, x[:, :2], 1.0), "x, y: expected the same dimension"),
        (lambda x, b: radius_graph(x, None, b), r"^r(:| must)"),
        (lambda x, b: radius(x, x, None), r"^r(:| must)"),
        (lambda x, b: radius_graph(x, "5", b), r"^r(:| must)"),
        (lambda x, b: radius_graph(x, [1.0], b), r"^r(:| must)"),
        (lambda x, b: radius_graph(x, 1j, b), r"^r(:| must)"),
        (lambda x, b: radius_graph(x, torch.ones(2), b), r"^r(:| must)"),
        (lambda x, b: radius_graph(x, 1.0, b, max_num_neighbors="5"), r"^max_num_neighbors(:| must)"),
        (lambda x, b: radius_graph(x, 1.0, b, max_num_neighbors=math.inf), r"^max_num_neighbors(:| must)"),
        (lambda x, b: knn_graph(x, math.nan, b), r"^k(:| must)"),
        (lambda x, b: knn_graph(x, math.inf, b), r"^k(:| must)"),
        (lambda x, b: knn_graph(x, [3], b), r"^k(:| must)"),
        (lambda x, b: knn_graph(x, True, b), r"^k(:| must)"),
        (lambda x, b: knn_graph(x, 1, b.tolist()), r"^batch(:| must)"),
        (lambda x, b: knn_graph(x, 1, "b"), r"^batch(:| must)"),
        (lambda x, b: knn_graph(x, 1, b[:, None]), r"^batch(:| must)"),
        (lambda x, b: knn_graph(x, 1, b, batch_size="7"), r"^batch_size(:| must)"),
        (lambda x, b: knn_graph(x, 1, b, batch_size=7.5), r"^batch_size(:| must)"),
        (lambda x, b: knn_graph(x, 1, b, batch_size=-1), r"^batch"),
        (lambda x, b: knn_graph(x.numpy(), 1), r"^x(:| must)"),
        (lambda x, b: knn_graph(x.tolist(), 1), r"^x(:| must)"),
        (lambda x, b: knn_graph(x.to_sparse(), 1), r"^x(:| must)"),
        (lambda x, b: knn_graph(x * 1e200, 1), r"^x(:| must)"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call(*clouds(3))


def test_workers_and_batch_size_change_nothing():
    x, batch = clouds(3)
    assert torch.equal(knn_graph(x, 3, batch, num_workers=4, batch_size=9), knn_graph(x, 3, batch))


@pytest.mark.parametrize("scale", [1e-44, 1e-30, 1e-20, 1e20, 1e30, 1e38])
def test_squares_that_float32_does_not_hold(way, scale):
    """The neighbors of points do not depend on the unit; squares of 1e30 overflow, those of 1e-30 vanish."""
    whole = (clouds(3)[0] * 100).round()  # that scaling does not round
    scale = 2.0 ** round(math.log2(scale)) / (128 if scale > 1e37 else 1)
    x, batch = (whole * scale).float(), clouds(3)[1]
    exact = (x.double() / scale).float() if scale < 1e-38 else whole
    assert torch.equal(knn_graph(x, 3, batch), knn_graph(exact, 3, batch))
    assert torch.equal(radius_graph(x, 90 * scale, batch), radius_graph(exact, 90.0, batch))
    assert radius_graph(x, 90 * scale, batch).size(1) > 20


def test_a_graph_that_is_far_away_is_alone_and_changes_no_other(way):
    """Its squares overflow, which is right where the radius is small."""
    (x, batch), far = clouds(3, torch.float32), torch.tensor([[0.0, 0, 0], [1e30, 0, 0], [1e30, 0.5, 0]])
    both = torch.cat([x, far]), torch.cat([batch, torch.full((3,), 7)])
    edges = radius_graph(both[0], 1.0, both[1])
    assert torch.equal(edges[:, edges[1] < len(x)], radius_graph(x, 1.0, batch))
    assert (edges[:, edges[1] >= len(x)] - len(x)).tolist() == [[2, 1], [1, 2]]  # 1e30 and 1e30 coincide
    nearest = knn_graph(both[0], 1, both[1])
    assert (nearest[:, nearest[1] >= len(x)] - len(x)).tolist() == [[1, 2, 1], [0, 1, 2]]
    huge = x.double() * 1e200
    assert radius_graph(huge, 1.0, batch).numel() == 0
    with pytest.raises(ValueError, match="x: expected the largest coordinate between"):
        radius_graph(huge, math.inf, batch)


def test_a_radius_whose_square_vanishes_still_holds_coincident_points(way):
    x = torch.tensor([[1.0, 2.0], [1.0, 2.0], [1.5, 2.0]])
    for r in (1e-300, 1e-170, 1e-30, 1e-10):
        assert radius_graph(x, r).tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize("step", [2, 10**6, 10**9, 10**12, 2**61])
def test_numbers_of_graphs_may_have_gaps_of_any_size(way, step):
    x, batch = clouds(3, sizes=[7, 12, 9])
    for build in (
        lambda b, n: radius_graph(x, 1.0, b, batch_size=n),
        lambda b, n: knn_graph(x, 3, b, batch_size=n),
    ):
        for number in (None, 2 * step + 1):
            if number is None or step <= 10**9:
                assert torch.equal(build(batch * step, number), build(batch, None))
    y, batch_y = clouds(3, seed=1, sizes=[4, 0, 6])
    apart = radius(x, y, 1.5, batch * step, batch_y * step)
    assert torch.equal(apart, radius(x, y, 1.5, batch, batch_y))
    assert torch.equal(knn(y[:0], x, 2, batch_y[:0], batch * step), torch.zeros(2, 0, dtype=torch.long))


@pytest.mark.parametrize("k", [24, 10**6, 2**31 - 1, 2**40])
def test_more_neighbors_than_there_are(way, k):
    x, batch = clouds(3)
    expected = oracle(x, batch, x, batch, None, None, False)
    assert torch.equal(knn_graph(x, int(k) + 39, batch, flow="target_to_source"), expected)
    cut = radius_graph(x, 1.0, batch, max_num_neighbors=k)
    assert torch.equal(cut, radius_graph(x, 1.0, batch, max_num_neighbors=int(k)))


def test_edges_are_bounded(monkeypatch):
    monkeypatch.setattr(neighbors, "MOST", 1000)
    with pytest.raises(ValueError, match="r: expected at most 1000 edges, found more"):
        radius_graph(torch.zeros(100, 3), 1.0, max_num_neighbors=None)
    assert radius_graph(torch.zeros(100, 3), 1.0, max_num_neighbors=10).size(1) == 1000
