"""What networks on molecules see of an edge: features, vectors, and an envelope that ends flat."""

import math

import pytest
import torch

from fa_pyg.models import FAENet
from fa_pyg.models.molecule_edges import EdgeFeatures, edges_of, polynomial_envelope


def test_envelope_ends_flat():
    x = torch.tensor([0.0, 1.0, 1.5], dtype=torch.float64, requires_grad=True)
    u = polynomial_envelope(x)
    assert u.tolist() == [1, 0, 0]
    first = torch.autograd.grad(u.sum(), x, create_graph=True)[0]
    second = torch.autograd.grad(first.sum(), x)[0]
    assert max(first.abs().max(), second.abs().max()) < 1e-12


def test_features_of_a_distance_and_of_none():
    u, waves, weight = EdgeFeatures(4.0, 3).double()(
        torch.tensor([[0.0, 3.0, 0.0], [0.0, 0.0, 0.0]]).double()
    )
    assert u.tolist() == [[0, 1, 0], [0, 0, 0]]
    expected = [math.sin(n * math.pi * 3 / 4) / 3 for n in (1, 2, 3)]
    torch.testing.assert_close(waves[0], torch.tensor(expected).double())
    torch.testing.assert_close(weight[0], polynomial_envelope(torch.tensor([0.75]).double()))
    assert weight[1] == 0


def test_edges_are_those_given_or_those_of_positions():
    model, pos = FAENet(8, 1, cutoff=2.0), torch.tensor([[0.0, 0, 0], [1.5, 0, 0], [4.0, 0, 0]])
    edge_index, r = edges_of(model, pos, None, None, None)
    assert edge_index.tolist() == [[1, 0], [0, 1]]
    assert r.tolist() == [[1.5, 0, 0], [-1.5, 0, 0]]
    assert edges_of(model, None, edge_index, None, 2 * r)[1].tolist() == (2 * r).tolist()
    for wrong in ((None, None, None, None), (pos, None, None, r), (None, edge_index, None, None)):
        with pytest.raises(ValueError, match="FAENet needs pos, or edge_vec with edge_index"):
            edges_of(model, *wrong)
