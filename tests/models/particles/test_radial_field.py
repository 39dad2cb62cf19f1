"""Radial field network: its equations pair by pair, symmetries, gradients, published size."""

import pytest
import torch
from helpers import mlp_by_hand, particles

from fa_pyg.models import MPNN, RadialField
from fa_pyg.testing import assert_equivariant, equivariance_error

REPS = {"pos": "point", "vel": "vector"}


def made():
    """A model whose positions move from the start: the published initial values are too small to test."""
    model = RadialField(hidden_channels=8, num_layers=3).double()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return model


def plain(model, pos, vel, edge_index, edge_attr):
    """The published equations for one system, pair by pair."""
    x = list(pos)
    for layer in model.layers:
        new = []
        for i in range(len(x)):
            shifts = []
            for (j, k), q in zip(edge_index.T.tolist(), edge_attr, strict=True):
                if k == i:
                    r, initial = x[i] - x[j], (pos[i] - pos[j]).square().sum().view(1)
                    phi = mlp_by_hand(layer.radial, torch.cat([r.norm().view(1), q, initial]))
                    shifts.append(r * phi.tanh())
            shift = sum(shifts) / len(shifts) if shifts else 0.0
            new.append(x[i] + shift + mlp_by_hand(layer.speed, vel[i].norm().view(1)) * vel[i])
        x = new
    return torch.stack(x)


@pytest.mark.parametrize("kept", [range(12), [0, 1, 3, 6, 7]], ids=["all pairs", "some"])
def test_equals_the_published_equations(kept):
    model, inputs, kept = made(), particles(sizes=(4,)), torch.tensor(kept)
    call = {
        "pos": inputs["pos"],
        "vel": inputs["vel"],
        "edge_index": inputs["edge_index"][:, kept],
        "edge_attr": inputs["edge_attr"][kept],
    }
    out = model(**call)
    assert (out - inputs["pos"]).abs().max() > 1e-2
    torch.testing.assert_close(out, plain(model, **call), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dim", [1, 2, 3, 4])
def test_equivariant(dim):
    errors = assert_equivariant(made(), particles(dim), f"E({dim})", REPS, "point", tol=1e-10)
    assert {"improper", "translated", "permuted", "apart"} <= errors.keys()
    bare = MPNN(8, 2, dim).double()
    assert max(equivariance_error(bare, particles(dim), f"E({dim})", REPS, "point").values()) > 1e-2


def test_every_weight_learns():
    model = made()
    model(**particles()).square().sum().backward()
    assert all(p.grad.abs().max() > 0 for p in model.parameters())


def test_published_number_of_parameters():
    shift, speed = (3 + 1) * 64 + 64, (1 + 1) * 64 + (64 + 1)
    assert sum(p.numel() for p in RadialField().parameters()) == 4 * (shift + speed)


def test_starts_as_published():
    """Positions hardly move toward each other at first."""
    last = RadialField().layers[0].radial[2]
    bound = 1e-3 * (6 / 65) ** 0.5
    assert 0.8 * bound < last.weight.abs().max() < bound
