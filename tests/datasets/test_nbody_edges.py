"""Edges of systems against loops over particles."""

import torch
from torch_geometric.data import Batch

from fa_pyg.datasets import InMemoryLoader, NBody
from fa_pyg.datasets.nbody_edges import all_pairs, nearest_pairs

SMALL = {"length": 300, "input_frame": 0, "target_frame": 1, "log": False}  # two hundred steps


def slow_pairs(pos, k):
    """The edges to each particle from its k nearest, nearest first."""
    distances = (pos[:, None] - pos).norm(dim=-1)
    pairs = []
    for i in range(len(pos)):
        others = sorted((j for j in range(len(pos)) if j != i), key=lambda j: float(distances[i, j]))
        pairs += [(j, i) for j in others[:k]]
    return pairs


def test_all_pairs_of_every_system():
    charge = torch.randn(2, 4, 1)
    edge_index, edge_attr = all_pairs(charge)
    pairs = [(i, j) for i in range(4) for j in range(4) if i != j]
    assert list(map(tuple, edge_index.t().tolist())) == 2 * pairs
    products = [charge[s, i] * charge[s, j] for s in range(2) for i, j in pairs]
    torch.testing.assert_close(edge_attr, torch.stack(products))


def test_nearest_pairs_and_their_charges():
    pos, charge, batch = torch.randn(10, 3), torch.randn(10, 1), torch.arange(2).repeat_interleave(5)
    edge_index, edge_attr = nearest_pairs(pos, charge, 3, batch)
    expected = slow_pairs(pos[:5], 3) + [(i + 5, j + 5) for i, j in slow_pairs(pos[5:], 3)]
    assert list(map(tuple, edge_index.t().tolist())) == expected
    torch.testing.assert_close(edge_attr, torch.stack([charge[i] * charge[j] for i, j in expected]))


def test_a_diverged_system_has_edges():
    pos = torch.randn(6, 3)
    pos[1], pos[2, 0] = torch.nan, torch.inf
    edge_index, _ = nearest_pairs(pos, torch.ones(6, 1), 2, torch.zeros(6, dtype=torch.long))
    assert edge_index[1].bincount(minlength=6).tolist() == [2] * 6


def test_data_sets_of_nearest_neighbors(tmp_path):
    near = NBody(tmp_path, "val", 3, num_particles=7, num_neighbors=2, **SMALL)
    whole = NBody(tmp_path, "val", 3, num_particles=7, **SMALL)
    assert len(list((tmp_path / "processed").iterdir())) == 1  # edges are not stored
    for one, other in zip(near, whole, strict=True):
        assert torch.equal(one.pos, other.pos)
        assert list(map(tuple, one.edge_index.t().tolist())) == slow_pairs(one.pos, 2)
        one.validate()
        assert other.num_edges == 42
    loaded, collated = next(iter(InMemoryLoader(near, 3))), Batch.from_data_list(list(near))
    assert torch.equal(loaded.edge_index, collated.edge_index)
    assert torch.equal(loaded.edge_attr, loaded.charge[loaded.edge_index].prod(0))
