"""Edges within a radius and to the nearest neighbours, against loops in Python and SciPy's k-d tree."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from fa_pyg.nn import neighbors
from fa_pyg.nn.graph_building import knn, knn_graph, radius, radius_graph

SIZES = [7, 0, 1, 23, 2, 40, 1]


def oracle(x, batch, y, batch_y, k=None, r=None, loop=None):
    """[row, col] by a loop over all pairs: rows ascend, the nearest first if r is None, else the lowest index."""
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
    """Small inputs are compared graph by graph; the limit of 0 sends them through the cells of a grid instead."""
    if request.param == "cells":
        monkeypatch.setattr(neighbors, "GRAPH_LIMIT", 0)
    return request.param


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("d", [1, 2, 3, 5])
@pytest.mark.parametrize(("r", "k", "loop"), [(0.5, None, False), (0.9, 3, False), (0.9, 3, True), (50.0, None, True)])
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
    x = torch.tensor(data.draw(st.lists(st.tuples(*[values] * d), min_size=n, max_size=n)), dtype=torch.float32)
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


def large_clouds():
    generator = torch.Generator().manual_seed(3)
    uniform = torch.rand(4000, 3, generator=generator, dtype=torch.float64)
    sphere = torch.nn.functional.normalize(torch.randn(4000, 3, generator=generator, dtype=torch.float64))
    scales = torch.cat([uniform[:2000], 1e-4 * uniform[2000:3999] - 3, torch.full((1, 3), 1e7)])
    padded = torch.cat([uniform[:3500], torch.zeros(500, 3)])
    return {"uniform": uniform, "sphere": sphere, "plane": uniform[:, :2], "scales": scales, "padded": padded}


@pytest.mark.parametrize("name", ["uniform", "sphere", "plane", "scales", "padded"])
def test_large_clouds_against_a_kd_tree(name):
    x = large_clouds()[name]
    tree = cKDTree(x.numpy())
    assert not neighbors._is_cheap(*2 * [points(x)]), "large enough for cells"
    distance = tree.query(x.numpy(), 13)[0][:, 1:]
    row, col = knn_graph(x, 12, flow="target_to_source")
    assert torch.equal(row, torch.arange(len(x)).repeat_interleave(12))
    assert (row != col).all()
    found = (x[row] - x[col]).norm(dim=1).view(-1, 12).numpy()
    np.testing.assert_allclose(found, distance, rtol=1e-12, atol=0)
    r = float(np.quantile(distance[:, -1], 0.4))
    assert torch.equal(radius_graph(x, r, max_num_neighbors=None), pairs_of(tree, r))
    row, col = radius_graph(x, r, max_num_neighbors=5, flow="target_to_source")
    inside = torch.from_numpy((distance[:, :5] < r).sum(axis=1))
    assert torch.equal(torch.bincount(row, minlength=len(x)), inside)
    furthest = torch.zeros(len(x), dtype=x.dtype).scatter_reduce(0, row, (x[row] - x[col]).norm(dim=1), "amax")
    expected = np.where(inside > 0, distance[np.arange(len(x)), (inside - 1).clamp(min=0)], 0)
    np.testing.assert_allclose(furthest.numpy(), expected, rtol=1e-12, atol=0)


def points(x):
    return neighbors.Points(x.t(), torch.zeros(len(x), dtype=torch.long), torch.tensor([0, len(x)]))


def pairs_of(tree, r):
    pairs = torch.from_numpy(tree.query_pairs(r, output_type="ndarray")).t()
    both = torch.cat([pairs, pairs.flip(0)], dim=1)
    order = (both[1] * tree.n + both[0]).argsort()
    return both[:, order]


def test_cells_that_are_too_small_are_noticed(monkeypatch):
    """The comparison with the k-d tree can fail: it does where the grid is finer than the radius."""
    x = large_clouds()["uniform"]
    expected = pairs_of(cKDTree(x.numpy()), 0.1)
    monkeypatch.setattr(neighbors, "MARGIN", 0.8)
    found = radius_graph(x, 0.1, max_num_neighbors=None)
    assert 0 < found.size(1) < expected.size(1)


def test_far_from_the_origin_in_float32():
    x = large_clouds()["uniform"].float() + 1000
    exact = x.double()
    expected = pairs_of(cKDTree(exact.numpy()), 0.1)
    assert torch.equal(radius_graph(exact, 0.1, max_num_neighbors=None), expected)
    both = radius_graph(x, 0.1, max_num_neighbors=None)
    assert abs(both.size(1) - expected.size(1)) <= 1e-3 * expected.size(1)  # distances are rounded to 6e-5 of 0.1


@pytest.mark.parametrize("shift", [0.0, 100.0])
def test_many_graphs_some_large(shift):
    """One batch of large and small graphs, on top of each other or apart, equals the graphs one by one."""
    parts = [large_clouds()["uniform"][:n] + shift * i for i, n in enumerate([3000, 5, 1, 2500, 40])]
    batch = torch.arange(5).repeat_interleave(torch.tensor([len(p) for p in parts]))
    starts = [0, 3000, 3005, 3006, 5506]
    for build in (lambda x, b: radius_graph(x, 0.15, b, max_num_neighbors=8), lambda x, b: knn_graph(x, 6, b)):
        singles = torch.cat([build(p, None) + start for p, start in zip(parts, starts, strict=True)], dim=1)
        assert torch.equal(build(torch.cat(parts), batch), singles)


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
    assert torch.equal(knn_graph(x, 2, flow="target_to_source"), oracle(x, [0] * 9, x, [0] * 9, 2, None, False))
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


def test_chunks_are_bounded(monkeypatch):
    """However many points, no block of comparisons exceeds the budget by more than one block."""
    seen = []
    block = neighbors._block

    def spy(query, point, row, col, *args):
        seen.append(row.numel() * col.size(1))
        return block(query, point, row, col, *args)

    monkeypatch.setattr(neighbors, "_block", spy)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(5000, 4, generator=generator)
    expected = knn_graph(x, 3)
    whole = max(seen)
    monkeypatch.setattr(neighbors, "BLOCK_PAIRS", 2**14)
    seen.clear()
    assert torch.equal(knn_graph(x, 3), expected)
    assert max(seen) <= 4 * 2**18
    assert len(seen) > 20
    assert whole <= 4 * 2**18


def test_gradients_do_not_pass_and_input_is_left_alone():
    x, batch = clouds(3)
    before = x.clone()
    edge_index = radius_graph(x.requires_grad_(), 1.0, batch)
    assert not edge_index.requires_grad
    assert torch.equal(x.detach(), before)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, b: radius_graph(x, -1.0, b), "r must be a number >= 0, got -1.0"),
        (lambda x, b: radius_graph(x, float("nan"), b), "r must be"),
        (lambda x, b: radius_graph(x, 1.0, b, max_num_neighbors=-1), "max_num_neighbors must be"),
        (lambda x, b: knn_graph(x, -1, b), "k must be a whole number >= 0, got -1"),
        (lambda x, b: knn_graph(x, 1.5, b), "k must be"),
        (lambda x, b: knn_graph(x, None, b), "k must be"),
        (lambda x, b: knn_graph(x, 1, b, flow="up"), "flow must be"),
        (lambda x, b: knn_graph(x, 1, b[:-1]), r"batch must be an integer tensor \[74\].*got \[73\]"),
        (lambda x, b: knn_graph(x, 1, b.double()), "batch must be an integer tensor"),
        (lambda x, b: knn_graph(x, 1, b - 1), "found -1 to 5"),
        (lambda x, b: knn_graph(x, 1, b, batch_size=3), "from 0 to 2, found 0 to 6"),
        (lambda x, b: knn_graph(x[None], 1), "x must be a real tensor"),
        (lambda x, b: knn_graph(x + 1j, 1), "x must be a real tensor"),
        (lambda x, b: radius(x, x[:, :2], 1.0), "x and y must agree"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call(*clouds(3))


def test_workers_and_batch_size_change_nothing():
    x, batch = clouds(3)
    assert torch.equal(knn_graph(x, 3, batch, num_workers=4, batch_size=9), knn_graph(x, 3, batch))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_gpu_agrees():
    for x in large_clouds().values():
        on_gpu = x.cuda()
        assert torch.equal(knn_graph(on_gpu, 12).cpu(), knn_graph(x, 12))
        assert torch.equal(radius_graph(on_gpu, 0.1).cpu(), radius_graph(x, 0.1))
