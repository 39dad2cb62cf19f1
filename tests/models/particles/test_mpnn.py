"""Message passing on absolute coordinates: its equations, and the symmetries that it does not have."""

import itertools

import pytest
import torch
from helpers import mlp_by_hand, particles

from fa_pyg import FrameAveraging, PCAFrame
from fa_pyg.models import MPNN
from fa_pyg.testing import assert_equivariant, equivariance_error

REPS = {"pos": "point", "vel": "vector"}


def made(**arguments):
    return MPNN(**{"hidden_channels": 8, "num_layers": 2, **arguments}).double()


def plain(model, pos, vel, edge_index, edge_attr):
    """The published equations for one system, pair by pair, on whole inputs of every network."""
    h = [model.embed(torch.cat(state)) for state in zip(pos, vel, strict=True)]
    for layer in model.layers:
        phi_e = torch.nn.Sequential(layer.edge_in, *layer.edge_out)
        totals = [torch.zeros_like(one) for one in h]
        for (j, i), q in zip(edge_index.T.tolist(), edge_attr, strict=True):
            totals[i] = totals[i] + mlp_by_hand(phi_e, torch.cat([h[i], h[j], q]), ends_in_silu=True)
        h = [
            one + mlp_by_hand(layer.node, torch.cat([one, total]))
            for one, total in zip(h, totals, strict=True)
        ]
    return torch.stack([mlp_by_hand(model.position, one) for one in h])


@pytest.mark.parametrize("kept", [range(12), [0, 1, 3, 6, 7]], ids=["all pairs", "some"])
def test_equals_the_published_equations(kept):
    model, inputs, kept = made(), particles(sizes=(4,)), torch.tensor(kept)
    call = {
        "pos": inputs["pos"],
        "vel": inputs["vel"],
        "edge_index": inputs["edge_index"][:, kept],
        "edge_attr": inputs["edge_attr"][kept],
    }
    torch.testing.assert_close(model(**call), plain(model, **call), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dim", [2, 3])
def test_equivariant_to_the_order_of_particles_only(dim):
    errors = equivariance_error(made(dim=dim), particles(dim), f"E({dim})", REPS, "point")
    assert errors["permuted"] < 1e-12
    assert errors["apart"] < 1e-12
    assert min(errors[case] for case in ("proper", "improper", "translated")) > 1e-2


def test_equivariant_in_frames():
    framed = FrameAveraging(made(), PCAFrame("E(3)"), inputs=REPS, output="point").eval()
    assert_equivariant(framed, particles(sizes=(5, 6)), "E(3)", tol=1e-10)


def test_every_weight_learns():
    model = made()
    model(**particles()).square().sum().backward()
    assert all(p.grad.abs().max() > 0 for p in model.parameters())


def test_published_number_of_parameters():
    def count(*sizes):
        return sum((a + 1) * b for a, b in itertools.pairwise(sizes))

    layer = count(64 + 64 + 1, 64, 64) + count(64 + 64, 64, 64)
    assert sum(p.numel() for p in MPNN().parameters()) == count(6, 64) + 4 * layer + count(64, 64, 3)


def test_first_maps_start_as_published():
    """With the bound of all their inputs, although they are computed in parts."""
    first = MPNN().layers[0].edge_in.weight.abs().max()
    assert 0.9 * 129**-0.5 < first < 129**-0.5
