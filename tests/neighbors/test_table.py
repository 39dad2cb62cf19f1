"""Tables of nearest neighbors against the k-nearest-neighbor graph, and on ties."""

import math

import numpy as np
import pytest
import torch

from fa_pyg.neighbors import knn_graph
from fa_pyg.neighbors.table import knn_table

EQUAL = torch.arange(3).repeat_interleave(20)


@pytest.mark.parametrize("d", [3, 40])
@pytest.mark.parametrize("ordered", [True, False])
def test_table_is_the_graph(d, ordered, dtype):
    x = torch.randn(60, d, dtype=dtype) + 5
    graph = knn_graph(x, 7, EQUAL, loop=True)[0].view(60, 7)
    table = knn_table(x, 7, EQUAL, 20, ordered)
    if ordered:
        assert torch.equal(table, graph)
        assert torch.equal(table[:, 0], torch.arange(60))
    assert torch.equal(table.sort(1).values, graph.sort(1).values)
    assert torch.equal(knn_table(x, 7, EQUAL), graph)


def test_unsorted_batch():
    x, order = torch.randn(60, 3), torch.randperm(60)
    place = order.argsort()
    assert torch.equal(knn_table(x[order], 7, EQUAL[order])[place], place[knn_table(x, 7, EQUAL)])


def test_clouds_of_fewer_points():
    x, batch = torch.randn(8, 3), torch.tensor([0, 0, 0, 1, 1, 1, 1, 1])
    table, nearest = knn_table(x, 7, batch), knn_table(x, 3, batch)
    assert torch.equal(table[:3], nearest[:3, [0, 1, 2, 0, 1, 2, 0]])
    assert torch.equal(knn_table(x[:6], 7, batch[[0, 0, 0, 3, 3, 3]], 3)[:3], table[:3])


def test_what_is_repeated_is_nearest_in_unordered_tables_too(monkeypatch):
    """Whatever order numpy leaves the smaller distances in."""
    monkeypatch.setattr(np, "argpartition", lambda x, k: np.argsort(x)[..., k::-1].copy())
    x = torch.randn(60, 3)
    assert torch.equal(knn_table(x, 27, EQUAL, 20, ordered=False), knn_table(x, 27, EQUAL))


@pytest.mark.parametrize("sizes", [(4, 4), (4, 1), (1,)])
def test_not_a_number_is_its_own_neighbor(sizes):
    batch = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    x = torch.randn(len(batch), 3)
    x[-1] = math.nan
    table = knn_table(x, 2, batch)
    assert table[-1].tolist() == [len(x) - 1] * 2
    assert (batch[table] == batch.unsqueeze(1)).all()


def test_large_graphs_need_no_matrix_of_distances(monkeypatch):
    monkeypatch.setattr("fa_pyg.neighbors.table.LARGEST", 10)
    monkeypatch.setattr("torch.cdist", None)
    assert knn_table(torch.randn(60, 3), 7, EQUAL, 20).shape == (60, 7)


def test_parts_of_the_batch(monkeypatch):
    x = torch.randn(60, 3)
    together = knn_table(x, 7, EQUAL, 20)
    monkeypatch.setattr("fa_pyg.neighbors.table.AT_ONCE", 1)
    assert torch.equal(knn_table(x, 7, EQUAL, 20), together)


def test_ties_of_a_rotated_symmetric_cloud():
    angle = torch.arange(24).double() * math.pi / 12
    ring = torch.stack([angle.cos(), angle.sin(), 0 * angle], dim=1)
    rotated = [ring @ torch.linalg.qr(torch.randn(3, 3).double())[0] for _ in range(5)]
    table = knn_table(ring, 4, None, 24)  # two neighbors, and one of the next two
    assert all(torch.equal(knn_table(x, 4, None, 24), table) for x in rotated)
    assert not all(torch.equal(knn_table(x, 4), knn_table(ring, 4)) for x in rotated)  # depends on rounding
