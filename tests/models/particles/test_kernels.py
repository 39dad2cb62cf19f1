"""Kernels: the numbers of e3nn's tensor product, in any order of the edges, and finite derivatives."""

import importlib.util

import pytest
import torch

from fa_pyg.models.particles.couplings import Couplings, Edges
from fa_pyg.models.particles.kernels import Convolution, Kernel, NormActivation, neighbors

pytestmark = pytest.mark.skipif(importlib.util.find_spec("e3nn") is None, reason="e3nn is not installed")

BOTH_WAYS = torch.tensor([[0, 1, 2, 1, 2, 0, 3, 0], [1, 2, 0, 0, 1, 2, 0, 3]])


@pytest.fixture(autouse=True)
def in_double_precision():
    torch.manual_seed(0)
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(default)


def features(types, size=4):
    return {kind: torch.randn(size, 2 * kind + 1, channels) for kind, channels in types.items()}


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [({0: 1, 1: 1}, {0: 3, 1: 3}), ({0: 3, 1: 3, 2: 2}, {0: 4, 1: 4, 2: 4}), ({0: 3, 1: 3, 2: 3}, {1: 1})],
)
@pytest.mark.parametrize("edge_index", [BOTH_WAYS, BOTH_WAYS[:, :7]], ids=["both ways", "one way"])
def test_messages_are_those_of_the_tensor_product_of_e3nn(inputs, outputs, edge_index):
    from e3nn import o3

    h, pos, kernel = features(inputs), torch.randn(4, 3), Kernel(inputs, outputs)
    edges = Edges.measure(pos, edge_index, Couplings(2))
    found = kernel(neighbors(h, edges, outputs), edges)

    r = pos[edges.target] - pos[edges.source]
    waves = kernel.radial(r.norm(dim=1, keepdim=True).expand(len(kernel.pairs), -1, 1))
    harmonics = o3.Irreps([(1, (j, 1)) for j in range(5)])
    paths, weights = [], []
    for (a, b), wave, linear in zip(kernel.pairs, waves, kernel.weights, strict=True):
        kinds = range(abs(a - b), a + b + 1)
        matrix = linear(wave).view(len(r), len(kinds), inputs[a], outputs[b])
        weights += [w.flatten(1) for w in matrix.unbind(1)]
        paths += [(list(inputs).index(a), j, list(outputs).index(b), "uvw", True) for j in kinds]
    product = o3.TensorProduct(
        o3.Irreps([(n, (a, 1)) for a, n in inputs.items()]),
        harmonics,
        o3.Irreps([(n, (b, 1)) for b, n in outputs.items()]),
        paths,
        shared_weights=False,
        internal_weights=False,
        irrep_normalization="none",
        path_normalization="none",
    ).double()
    waves = o3.spherical_harmonics(list(range(5)), r, normalize=True, normalization="integral")
    x = torch.cat([x.mT.flatten(1) for x in h.values()], dim=1)
    expected = product(x[edges.source], waves, torch.cat(weights, dim=1))
    torch.testing.assert_close(torch.cat([m.mT.flatten(1) for m in found.values()], dim=1), expected)
    assert expected.abs().max() > 1e-2


def test_both_directions_of_an_edge_share_their_weights_and_nothing_else_changes():
    types, pos = {0: 2, 1: 2}, torch.randn(4, 3)
    conv, couplings, h = Convolution(types, types), Couplings(1), features(types)
    edges = Edges.measure(pos, BOTH_WAYS, couplings)
    assert edges.share == 2
    assert len(edges.features) == 4
    r = pos[edges.target] - pos[edges.source]
    alone = Edges(edges.source, edges.target, edges.couplings, r.norm(dim=1, keepdim=True), 1)
    for kind, x in conv(h, edges).items():
        torch.testing.assert_close(x, conv(h, alone)[kind])


def test_edges_in_another_order_change_nothing():
    types, pos, order = {0: 2, 1: 2}, torch.randn(4, 3), torch.randperm(7)
    conv, couplings, h = Convolution(types, types), Couplings(1), features(types)
    edge_index = BOTH_WAYS[:, 1:]
    found = conv(h, Edges.measure(pos, edge_index, couplings))
    for kind, x in conv(h, Edges.measure(pos, edge_index[:, order], couplings)).items():
        torch.testing.assert_close(x, found[kind])


def test_a_single_edge_each_way_between_two_pairs_is_not_taken_for_one_edge():
    edges = Edges.measure(torch.randn(4, 3), torch.tensor([[0, 2], [1, 3]]), Couplings(1))
    assert edges.share == 1


def test_nonlinearity_keeps_directions_and_changes_norms():
    x = features({0: 5, 1: 5}, 3)
    y = NormActivation({0: 5, 1: 5}, linear=True)(x)
    cosine = torch.nn.functional.cosine_similarity(y[1], x[1], dim=1)
    torch.testing.assert_close(cosine.abs(), torch.ones_like(cosine))
    assert (y[1].norm(dim=1) - x[1].norm(dim=1)).abs().max() > 0.1


@pytest.mark.parametrize("value", [0.0, 1e-20, 1e-13, 1e-11])
def test_nonlinearity_has_finite_derivatives_near_0(value):
    x = {0: torch.zeros(2, 1, 4).float(), 1: torch.full((2, 3, 4), value).float()}
    act = NormActivation({0: 4, 1: 4}, linear=False).float()
    for h in x.values():
        h.requires_grad_()
    sum(h.square().sum() for h in act(x).values()).backward()
    assert all(h.grad.isfinite().all() for h in x.values())
