"""Neighbors in large clouds, against SciPy's k-d tree, and in bounded memory."""

from functools import partial

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from fa_pyg.neighbors.edges import knn_graph, radius_graph
from fa_pyg.nn import neighbor_blocks, neighbor_points, neighbors


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
    length = (x[row] - x[col]).norm(dim=1)
    furthest = torch.zeros(len(x), dtype=x.dtype).scatter_reduce(0, row, length, "amax")
    expected = np.where(inside > 0, distance[np.arange(len(x)), (inside - 1).clamp(min=0)], 0)
    np.testing.assert_allclose(furthest.numpy(), expected, rtol=1e-12, atol=0)


def points(x):
    return neighbor_points.Points(x.t(), torch.zeros(len(x), dtype=torch.long), torch.tensor([0, len(x)]))


def pairs_of(tree, r):
    pairs = torch.from_numpy(tree.query_pairs(r, output_type="ndarray")).t()
    both = torch.cat([pairs, pairs.flip(0)], dim=1)
    order = (both[1] * tree.n + both[0]).argsort()
    return both[:, order]


def test_cells_that_are_too_small_are_noticed(monkeypatch):
    """The comparison with the k-d tree can fail: it does where the grid is finer than the radius."""
    x = large_clouds()["uniform"]
    expected = pairs_of(cKDTree(x.numpy()), 0.1)
    monkeypatch.setattr(neighbor_blocks, "MARGIN", 0.8)
    found = radius_graph(x, 0.1, max_num_neighbors=None)
    assert 0 < found.size(1) < expected.size(1)


def test_far_from_the_origin_in_float32():
    x = large_clouds()["uniform"].float() + 1000
    exact = x.double()
    expected = pairs_of(cKDTree(exact.numpy()), 0.1)
    assert torch.equal(radius_graph(exact, 0.1, max_num_neighbors=None), expected)
    both = radius_graph(x, 0.1, max_num_neighbors=None)
    # Coordinates are rounded to 6e-5, a distance of 0.1 therefore to about a thousandth of it.
    assert abs(both.size(1) - expected.size(1)) <= 1e-3 * expected.size(1)


@pytest.mark.parametrize("shift", [0.0, 100.0])
def test_many_graphs_some_large(shift):
    """One batch of large and small graphs, on top of each other or apart, equals the graphs one by one."""
    parts = [large_clouds()["uniform"][:n] + shift * i for i, n in enumerate([3000, 5, 1, 2500, 40])]
    batch = torch.arange(5).repeat_interleave(torch.tensor([len(p) for p in parts]))
    starts = [0, 3000, 3005, 3006, 5506]
    for build in (partial(radius_graph, r=0.15, max_num_neighbors=8), partial(knn_graph, k=6)):
        singles = torch.cat([build(p) + start for p, start in zip(parts, starts, strict=True)], dim=1)
        assert torch.equal(build(torch.cat(parts), batch=batch), singles)


def test_chunks_are_bounded(monkeypatch):
    """However many points, no block of comparisons exceeds the budget by more than one block."""
    seen = []
    block = neighbor_blocks._block

    def spy(query, point, row, col, *args):
        seen.append(row.numel() * col.size(1))
        return block(query, point, row, col, *args)

    monkeypatch.setattr(neighbor_blocks, "_block", spy)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(5000, 4, generator=generator)
    expected = knn_graph(x, 3)
    whole = max(seen)
    monkeypatch.setattr(neighbor_blocks, "BLOCK_PAIRS", 2**14)
    seen.clear()
    assert torch.equal(knn_graph(x, 3), expected)
    assert max(seen) <= 4 * 2**18
    assert len(seen) > 20
    assert whole <= 4 * 2**18


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_gpu_agrees():
    for x in large_clouds().values():
        on_gpu = x.cuda()
        assert torch.equal(knn_graph(on_gpu, 12).cpu(), knn_graph(x, 12))
        assert torch.equal(radius_graph(on_gpu, 0.1).cpu(), radius_graph(x, 0.1))
