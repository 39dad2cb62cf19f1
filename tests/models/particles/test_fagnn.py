"""FA-GNN: equivariant, and its fused layers give the numbers of the plain ones."""

import pytest
import torch
from helpers import particles

from fa_pyg.models import FAGNN
from fa_pyg.testing import assert_equivariant, equivariance_error

REPS = {"pos": "point", "vel": "vector"}


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("dim", [2, 3])
def test_equivariant(dim, fused):
    model = FAGNN(hidden_channels=4 * dim, num_layers=2, dim=dim, fused=fused).double()
    assert_equivariant(model, particles(dim), f"E({dim})", REPS, "point", tol=1e-10)


def test_a_bare_layer_is_not_equivariant():
    layer = FAGNN(hidden_channels=12, num_layers=1).double().convs[0].averaging.model
    inputs = particles(sizes=(5, 5))
    call = {
        "h": inputs["pos"].new_zeros(10, 0),
        "v": torch.randn(10, 4, 3, dtype=torch.float64),
        "edge_index": inputs["edge_index"],
        "edge_attr": torch.rand(40, 2, dtype=torch.float64),
    }
    errors = equivariance_error(layer, call, "O(3)", {"v": "vector"}, ("scalar", "vector"), level="node")
    assert errors["proper"] > 1e-2


@pytest.mark.parametrize("dim", [2, 3])
def test_fused_layers_equal_plain_ones_in_value_and_gradient(dim):
    model = FAGNN(hidden_channels=4 * dim, num_layers=3, dim=dim).double()
    inputs = particles(dim)
    results = []
    for fused in (True, False):
        model.fused = fused
        model.zero_grad()
        out = model(**inputs)
        (out - inputs["pos"]).square().sum().backward()
        grads = [p.grad.clone() for p in model.parameters()]
        results.append((out.detach(), grads))
    (a, grads_a), (b, grads_b) = results
    assert (a - inputs["pos"]).abs().max() > 1e-3  # not the identity
    torch.testing.assert_close(a, b, rtol=0, atol=1e-12)
    for x, y in zip(grads_a, grads_b, strict=True):
        torch.testing.assert_close(x, y, rtol=1e-8, atol=1e-10)


def test_one_graph_without_batch_equals_its_place_in_a_batch():
    model = FAGNN(hidden_channels=12, num_layers=2).double()
    inputs = particles()
    together = model(**inputs)
    first = {k: inputs[k][:5] for k in ("pos", "vel", "charge")}
    own = (inputs["edge_index"] < 5).all(0)
    alone = model(**first, edge_index=inputs["edge_index"][:, own], edge_attr=inputs["edge_attr"][own])
    torch.testing.assert_close(alone, together[:5], rtol=0, atol=1e-12)


def test_bad_arguments():
    with pytest.raises(ValueError, match="multiple of 3"):
        FAGNN(hidden_channels=64)
    with pytest.raises(ValueError, match="edge_attr"):
        FAGNN(hidden_channels=12)(torch.randn(5, 3), torch.randn(5, 3))
