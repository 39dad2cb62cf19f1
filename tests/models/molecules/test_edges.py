"""What networks on molecules see of an edge: features, vectors, and an envelope that ends flat."""

import math

import pytest
import torch

from fa_pyg.models import FAENet, NequIP
from fa_pyg.models.molecules.edges import EdgeFeatures, edges_of
from fa_pyg.neighbors.cutoffs import polynomial_envelope
from fa_pyg.nn import radius_graph


@pytest.fixture(params=["FAENet", "NequIP"])
def net(request):
    """Makes a network that sees edges so."""
    if request.param == "NequIP":
        pytest.importorskip("e3nn", reason="e3nn is not installed")
        sizes = {"hidden_channels": 4, "num_layers": 3, "num_radial": 4, "radial": 8, "elements": 3}
        return lambda **kwargs: NequIP(**sizes, **kwargs).double().eval()
    return lambda **kwargs: FAENet(hidden_channels=16, num_layers=2, num_radial=8, **kwargs).double().eval()


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
        with pytest.raises(ValueError, match="pos: expected it, or edge_vec with edge_index, for FAENet"):
            edges_of(model, *wrong)


def test_given_edges_and_vectors_are_the_built_ones(net, molecules):
    model, pos = net(), molecules["pos"]
    edge_index = radius_graph(pos, model.cutoff, molecules["batch"], max_num_neighbors=None)
    vec = pos[edge_index[0]] - pos[edge_index[1]]
    given = model(molecules["z"], None, edge_index, molecules["batch"], vec)
    torch.testing.assert_close(given, model(**molecules))
    for wrong in ({}, {"edge_index": edge_index}, {"edge_vec": vec}):
        with pytest.raises(ValueError, match="edge_vec with edge_index"):
            model(molecules["z"], **wrong)


def test_energy_and_forces_are_smooth_where_an_atom_passes_the_cutoff(net):
    model, z = net(cutoff=2.0), torch.tensor([6, 8])

    def energy(distance):
        return model(z, torch.stack([torch.zeros(3).double(), distance * torch.tensor([0.6, 0.0, 0.8])]))

    def slopes(distance):
        d = torch.tensor(distance, dtype=torch.float64, requires_grad=True)
        first = torch.autograd.grad(energy(d), d, create_graph=True)[0]
        return first, torch.autograd.grad(first, d)[0]

    near = slopes(2.0 - 1e-4)
    assert all(abs(x) < 1e-2 * abs(y) for x, y in zip(near, slopes(1.7), strict=True))
    torch.testing.assert_close(energy(torch.tensor(2.0 - 1e-6)), energy(torch.tensor(2.5)))
