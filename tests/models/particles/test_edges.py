"""Edges of the n-body models: what is refused, and systems with few of them."""

import pytest
import torch
from helpers import particles

from fa_pyg.models import EGNN, FAGNN, MPNN, RadialField
from fa_pyg.models.particles.edges import displacements, read_edges

MODELS = {
    "EGNN": EGNN(8, 2),
    "FAGNN": FAGNN(12, 2),
    "MPNN": MPNN(8, 2),
    "RadialField": RadialField(8, 2),
}


@pytest.fixture(params=MODELS)
def model(request):
    model = MODELS[request.param].double()
    for parameter in model.parameters():  # larger than at first, where coordinates hardly move
        torch.nn.init.normal_(parameter, std=0.5)
    model.zero_grad()
    return model


def one_system(inputs, first, last):
    """The particles from the first to the last of a batch, alone, without a batch."""
    own = ((inputs["edge_index"] >= first) & (inputs["edge_index"] < last)).all(0)
    nodes = {key: inputs[key][first:last] for key in ("pos", "vel", "charge")}
    return {
        **nodes,
        "edge_index": inputs["edge_index"][:, own] - first,
        "edge_attr": inputs["edge_attr"][own],
    }


def test_a_batch_equals_single_systems(model):
    inputs = particles(sizes=(5, 3, 1, 4))
    together = model(**inputs)
    for first, last in ((0, 5), (5, 8), (8, 9), (9, 13)):
        alone = model(**one_system(inputs, first, last))
        torch.testing.assert_close(alone, together[first:last], rtol=1e-10, atol=1e-12)
    other = inputs | {"edge_attr": -inputs["edge_attr"]}
    assert (model(**other) - together)[inputs["batch"] == 0].abs().max() > 1e-6  # edges matter


@pytest.mark.parametrize("sizes", [(1,), (1, 1, 1)])
def test_particles_without_edges(model, sizes):
    inputs = particles(sizes=sizes)
    assert inputs["edge_attr"].shape == (0, 1)
    out = model(**inputs)
    out.sum().backward()
    assert out.shape == inputs["pos"].shape
    assert out.isfinite().all()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)


def test_particles_that_meet_or_rest(model):
    inputs = particles(sizes=(4, 3))
    inputs["pos"][1] = inputs["pos"][0]
    inputs["vel"][2] = 0.0
    moving = [inputs[key].requires_grad_() for key in ("pos", "vel")]
    out = model(**inputs)
    out.square().sum().backward()
    tensors = [out, *(x.grad for x in moving), *(p.grad for p in model.parameters() if p.grad is not None)]
    assert all(x.isfinite().all() for x in tensors)


def test_type_of_the_positions(model):
    inputs = particles(dtype=torch.float32)
    single, double = model.float()(**inputs), model.double()(**_double(inputs))
    assert (single.dtype, double.dtype) == (torch.float32, torch.float64)
    torch.testing.assert_close(single.double(), double, rtol=1e-3, atol=1e-3)


def _double(inputs):
    return {key: x.double() if x.is_floating_point() else x for key, x in inputs.items()}


def test_flat_features_of_edges(model):
    inputs = particles()
    flat = inputs | {"edge_attr": inputs["edge_attr"].flatten()}
    assert torch.equal(model(**flat), model(**inputs))


@pytest.mark.parametrize("missing", ["edge_index", "edge_attr"])
def test_missing_edges(model, missing):
    with pytest.raises(ValueError, match="edge_index, edge_attr: expected edges"):
        model(**particles() | {missing: None})


@pytest.mark.parametrize("shape", [(76, 2), (75, 1), (77,)])
def test_wrong_features_of_edges(model, shape):
    inputs = particles()
    assert inputs["edge_attr"].shape == (76, 1)
    with pytest.raises(ValueError, match=r"edge_attr: expected 1 features .* of 76 edges, found \["):
        model(**inputs | {"edge_attr": torch.ones(shape, dtype=torch.float64)})


def test_direction_of_edges():
    """From source to target, as PyG sends messages."""
    x = torch.tensor([[1.0, 0.0], [3.0, 5.0]])
    source, target, features = read_edges(torch.tensor([[0], [1]]), torch.ones(1), 1)
    assert displacements(x, source, target).tolist() == [[2.0, 5.0]]
    assert features.shape == (1, 1)
