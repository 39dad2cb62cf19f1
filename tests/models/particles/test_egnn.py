"""EGNN: its equations pair by pair, symmetries, gradients, published size."""

import itertools

import pytest
import torch
from helpers import mlp_by_hand, particles

from fa_pyg.models import EGNN, MPNN
from fa_pyg.testing import assert_equivariant, equivariance_error

REPS = {"pos": "point", "vel": "vector"}


def made(**arguments):
    """A model whose positions move from the start: the published initial values are too small to test."""
    model = EGNN(**{"hidden_channels": 8, "num_layers": 3, **arguments}).double()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return model


def plain(model, pos, vel, edge_index, edge_attr):
    """The published equations for one system, pair by pair, on whole inputs of every network."""
    x, h = list(pos), [model.embed(v.norm().view(1)) for v in vel]
    edges = [(int(j), int(i), q) for (j, i), q in zip(edge_index.T, edge_attr, strict=True)]
    initial = {(j, i): (pos[i] - pos[j]).square().sum().view(1) for j, i, _ in edges}
    for layer in model.layers:
        phi_e = torch.nn.Sequential(layer.conv.edge_in, *layer.conv.edge_out)
        messages = {}
        for j, i, q in edges:
            square = (x[i] - x[j]).square().sum().view(1)
            pair = torch.cat([h[i], h[j], square, q, initial[j, i]])
            messages[j, i] = mlp_by_hand(phi_e, pair, ends_in_silu=True)
        new_x, new_h = [], []
        for i in range(len(x)):
            to_i = [j for j, k, _ in edges if k == i]
            shift, total = torch.zeros_like(x[i]), torch.zeros_like(h[i])
            for j in to_i:
                shift = shift + (x[i] - x[j]) * mlp_by_hand(layer.shift, messages[j, i]) / len(to_i)
                total = total + messages[j, i]
            new_x.append(x[i] + shift + mlp_by_hand(layer.speed, h[i]) * vel[i])
            new_h.append(h[i] + mlp_by_hand(layer.conv.node, torch.cat([h[i], total])))
        x, h = new_x, new_h
    return torch.stack(x)


@pytest.mark.parametrize("edges", ["all pairs", "some"])
def test_equals_the_published_equations_in_value_and_gradient(edges):
    model, inputs = made(), particles(sizes=(4,))
    del inputs["charge"], inputs["batch"]
    if edges == "some":  # one particle without neighbors, others with different numbers of them, one way only
        kept = torch.tensor([0, 1, 3, 6, 7])
        inputs |= {"edge_index": inputs["edge_index"][:, kept], "edge_attr": inputs["edge_attr"][kept]}
        assert inputs["edge_index"][1].unique().numel() < 4
    results = []
    for run in (model, lambda **call: plain(model, **call)):
        model.zero_grad()
        out = run(**inputs)
        out.square().sum().backward()
        gradients = [p.grad.clone() for p in model.parameters() if p.grad is not None]
        results.append((out.detach(), gradients))
    (ours, gradients), (theirs, their_gradients) = results
    assert (ours - inputs["pos"] - inputs["vel"]).abs().max() > 1e-2
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(gradients, their_gradients, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dim", [1, 2, 3, 4])
def test_equivariant(dim):
    errors = assert_equivariant(made(), particles(dim), f"E({dim})", REPS, "point", tol=1e-10)
    assert {"improper", "translated", "permuted", "apart"} <= errors.keys()
    bare = MPNN(8, 2, dim).double()
    assert max(equivariance_error(bare, particles(dim), f"E({dim})", REPS, "point").values()) > 1e-2


def test_all_weights_learn_but_those_of_the_last_update_of_the_nodes():
    model = made()
    model(**particles()).square().sum().backward()
    without = {name for name, p in model.named_parameters() if p.grad is None}
    assert without == {f"layers.2.conv.node.{part}" for part in ("0.weight", "0.bias", "2.weight", "2.bias")}
    assert all(p.grad.abs().max() > 0 for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize(("width", "layers"), [(64, 4), (8, 1)])
def test_published_number_of_parameters(width, layers):
    def count(*sizes):
        return sum((a + 1) * b for a, b in itertools.pairwise(sizes))

    messages, nodes = count(2 * width + 1 + 2, width, width), count(2 * width, width, width)
    shift, speed = count(width, width, 1) - 1, count(width, width, 1)
    expected = count(1, width) + layers * (messages + nodes + shift + speed)
    model = EGNN() if width == 64 else EGNN(width, layers)
    assert sum(p.numel() for p in model.parameters()) == expected
    assert width != 64 or expected == 134_020


def test_starts_as_published():
    """Positions hardly move toward each other at first, and the first maps see all their inputs."""
    first = EGNN().layers[0]
    bound = 1e-3 * (6 / 65) ** 0.5
    assert 0.8 * bound < first.shift[2].weight.abs().max() < bound
    assert 0.9 * 131**-0.5 < first.conv.edge_in.weight.abs().max() < 131**-0.5


def test_more_features_of_edges():
    inputs = particles()
    model = made(edge_dim=2)
    both = torch.cat([inputs["edge_attr"], torch.rand_like(inputs["edge_attr"])], dim=1)
    inputs["edge_attr"] = both
    out = model(**inputs)
    assert (model(**inputs | {"edge_attr": both.flip(1)}) - out).abs().max() > 1e-3
