"""TFN, SE(3)-Transformer and SEGNN: equivariant, to reflections or not; batches, gradients, sizes."""

import importlib.util
import sys

import pytest
import torch
from helpers import particles

from fa_pyg.models import GNN, SEGNN, TFN, SE3Transformer
from fa_pyg.testing import assert_equivariant, equivariance_error

HAS_E3NN = importlib.util.find_spec("e3nn") is not None
needs_e3nn = pytest.mark.skipif(not HAS_E3NN, reason="e3nn is not installed")
REPS = {"pos": "point", "vel": "vector"}
MODELS = {
    "TFN": lambda **kw: TFN(**{"hidden_channels": 4, "radial": 8} | kw),
    "TFN, lmax 2": lambda **kw: TFN(**{"hidden_channels": 3, "num_layers": 3, "lmax": 2, "radial": 8} | kw),
    "SE3Transformer": lambda **kw: SE3Transformer(**{"hidden_channels": 3, "radial": 8} | kw),
    "fair": lambda **kw: SE3Transformer(
        **{"hidden_channels": 3, "radial": 8, "skip": True, "scale": None} | kw
    ),
    "SEGNN": lambda **kw: SEGNN(**{"hidden_channels": 8} | kw),
}


@pytest.fixture(params=[*MODELS])
def make(request):
    if request.param != "SEGNN" and not HAS_E3NN:
        pytest.skip("e3nn is not installed")
    torch.manual_seed(0)
    return lambda **kw: MODELS[request.param](**kw).double()


def given(pos, vel, charge, edge_index):
    edge_attr = charge[edge_index[0]] * charge[edge_index[1]]
    return {"pos": pos, "vel": vel, "charge": charge, "edge_index": edge_index, "edge_attr": edge_attr}


def test_equivariant_to_motions_and_only_segnn_to_reflections(make):
    model, inputs = make(), particles()
    assert_equivariant(model, inputs, "SE(3)", REPS, "point", tol=1e-10)
    error = equivariance_error(model, inputs, "E(3)", REPS, "point")["improper"]
    assert error < 1e-10 if isinstance(model, SEGNN) else error > 1e-5


def test_a_network_of_coordinates_fails_the_same_check():
    errors = equivariance_error(GNN().double(), particles(), "SE(3)", REPS, "point")
    assert errors["proper"] > 1e-3


def test_equivariant_to_the_order_of_particles(make):
    model, inputs, order = make(), particles(sizes=(6,)), torch.randperm(6)
    nodes = (inputs[key][order] for key in ("pos", "vel", "charge"))
    permuted = given(*nodes, order.argsort()[inputs["edge_index"]])
    torch.testing.assert_close(model(**permuted), model(**inputs)[order])


def test_a_batch_equals_single_systems(make):
    model, inputs, begin = make(), particles(), 0
    together = model(**inputs)
    for size in (5, 5, 3, 1, 6):
        rows = slice(begin, begin + size)
        inside = ((inputs["edge_index"] >= begin) & (inputs["edge_index"] < begin + size)).all(0)
        nodes = (inputs[key][rows] for key in ("pos", "vel", "charge"))
        alone = model(**given(*nodes, inputs["edge_index"][:, inside] - begin))
        torch.testing.assert_close(alone, together[rows])
        begin += size
    assert (together - inputs["pos"]).abs().max() > 1e-4  # not the identity


def test_charges_and_velocities_matter(make):
    model, inputs = make(), particles(sizes=(5,))
    nodes = [inputs[key] for key in ("pos", "vel", "charge", "edge_index")]
    for index in (1, 2):
        other = [x + 0.5 if place == index else x for place, x in enumerate(nodes)]
        assert (model(**given(*other)) - model(**inputs)).abs().max() > 1e-5


def test_gradients_reach_every_weight(make):
    model, inputs = make(hidden_channels=8), particles(sizes=(5,) * 10)
    (model(**inputs) - inputs["pos"] - 1).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in model.parameters())


def test_float32_gives_the_numbers_of_float64(make):
    model, inputs = make(), particles()
    exact = model(**inputs)
    single = {key: x.float() if x.is_floating_point() else x for key, x in inputs.items()}
    found = model.float()(**single)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), exact, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("case", ["one particle", "no edges", "one place", "nothing moves"])
def test_edge_cases_have_finite_values_and_gradients(case, make):
    model, inputs = make().float(), particles(sizes=(1,) if case == "one particle" else (4,))
    inputs = {key: x.float() if x.is_floating_point() else x for key, x in inputs.items()}
    if case == "no edges":
        inputs["edge_index"], inputs["edge_attr"] = torch.empty(2, 0, dtype=torch.long), torch.empty(0, 1)
    if case == "one place":
        inputs["pos"][:3] = inputs["pos"][0]
    if case == "nothing moves":
        inputs["vel"], inputs["charge"] = 0 * inputs["vel"], 0 * inputs["charge"]
    for key in ("pos", "vel"):
        inputs[key].requires_grad_()
    out = model(**inputs)
    out.square().sum().backward()
    found = [out, inputs["pos"].grad, *(p.grad for p in model.parameters() if p.grad is not None)]
    assert all(x.isfinite().all() for x in found)


def radial_parameters(inputs, outputs, edge_dim=1, width=32):
    """A kernel has a radial network for every pair of types, with a matrix for every coupling of the two."""
    total = 0
    for a, n in inputs.items():
        for b, m in outputs.items():
            couplings = len(range(abs(a - b), a + b + 1))
            hidden = (edge_dim * width + width) + 2 * width + (width * width + width) + 2 * width
            total += hidden + (width + 1) * couplings * n * m
    return total


def count(model):
    return sum(p.numel() for p in model.parameters())


@needs_e3nn
def test_published_sizes_of_tfn():
    first, hidden, last = {0: 1, 1: 1}, {0: 16, 1: 16}, {1: 1}
    kernels = (
        radial_parameters(first, hidden)
        + 2 * radial_parameters(hidden, hidden)
        + radial_parameters(hidden, last)
    )
    own = 2 * 16 + 2 * 2 * 16 * 16 + 16
    norms = 3 * 2 * (2 * 16 + 16 * 16 + 16)
    assert count(TFN()) == kernels + own + norms


@needs_e3nn
def test_published_sizes_of_the_transformer():
    first, hidden, last = {0: 1, 1: 1}, {0: 21, 1: 21, 2: 21}, {1: 1}
    keys = radial_parameters(first, {0: 21, 1: 21}) + 3 * radial_parameters(hidden, hidden)
    values = radial_parameters(first, hidden) + 3 * radial_parameters(hidden, hidden)
    queries = 2 * 21 + 3 * 3 * 21 * 21
    norms, out = 4 * 3 * 2 * 21, radial_parameters(hidden, last) + 21
    total = keys + values + queries + norms + out
    assert count(SE3Transformer()) == total + 1  # and the scale
    skips = 4 * 3 * 21 * 21 + 2 * 21 + 3 * 3 * 21 * 21
    assert count(SE3Transformer(skip=True, scale=None)) == total + skips


def test_published_sizes_of_segnn():
    """Each steered map has a matrix from every kind to every kind, and biases of scalars."""

    def steered(inputs, outputs, gate=False):
        scalars = outputs[0] + gate * outputs[1]
        return sum(inputs) * (scalars + outputs[1]) + scalars

    hidden = (32, 32)
    assert 4 * 32 * 32 == 64 * 64  # as many weights as an unsteered map of 64 features
    layer = steered((66, 64), hidden, True) + steered(hidden, hidden, True)
    layer += steered((64, 64), hidden, True) + steered(hidden, hidden)
    ends = steered((1, 2), hidden) + steered(hidden, hidden, True) + steered(hidden, (0, 1))
    assert count(SEGNN()) == 4 * layer + ends


def test_missing_inputs_are_named(make):
    for missing in ("edge_index", "edge_attr" if isinstance(make(), SEGNN) else "charge"):
        with pytest.raises(ValueError, match=f"{missing}.*: expected .*edges.*, found None"):
            make()(**particles() | {missing: None})


def test_an_odd_width_of_segnn_is_named():
    with pytest.raises(ValueError, match="hidden_channels: expected an even number, found 5"):
        SEGNN(hidden_channels=5)


@needs_e3nn
@pytest.mark.parametrize("model", [TFN, SE3Transformer])
def test_without_e3nn_the_constructor_says_what_to_install(model, monkeypatch):
    monkeypatch.setitem(sys.modules, "e3nn", None)
    with pytest.raises(ImportError, match=rf"{model.__name__}: .*pip install 'fa_pyg\[chem\]'"):
        model()
