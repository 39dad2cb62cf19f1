"""The default net of learned frames: equivariant, invariant to node order, sensitive to all its inputs."""

import pytest
import torch

from fa_pyg import Group
from fa_pyg.builders.vector_net import VectorNet

BATCH = torch.arange(4).repeat(6)


def inputs(dim, channels=2):
    x = torch.randn(24, channels, dim, dtype=torch.float64) + 0.3
    return x, torch.rand(24, 1, dtype=torch.float64) * 8, BATCH, 4


@pytest.mark.parametrize("dim", [2, 3])
def test_equivariant_to_reflections_and_to_the_order_of_nodes(dim):
    net, (x, s, batch, size) = VectorNet(dim).double(), inputs(dim)
    v = net(x, s, batch, size)
    assert v.shape == (4, dim, dim)
    for r in Group.of(f"O({dim})").haar(4, dtype=x.dtype):
        assert torch.allclose(net(x @ r, s, batch, size), v @ r, atol=1e-10)
    order = torch.randperm(24)
    assert torch.allclose(net(x[order], s[order], batch[order], size), v, atol=1e-10)
    assert (net(x @ torch.randn(dim, dim, dtype=x.dtype), s, batch, size) - v).abs().max() > 1e-2


def test_everything_counts():
    net, (x, s, batch, size) = VectorNet(3).double(), inputs(3)
    v = net(x, s, batch, size)
    others = [(2 * x, s), (x, s + 1), (x.flip(1), s), (x * torch.tensor([[1.0], [-1.0]]), s)]
    for i, (y, t) in enumerate(others):
        assert (net(y, t, batch, size) - v).abs().max() > 1e-3, i


def test_vectors_are_independent_from_the_start():
    """Gram-Schmidt would lose the digits that nearly parallel vectors share."""
    rest = []
    for _ in range(5):
        r = torch.linalg.qr(VectorNet(3).double()(*inputs(3)).mT)[1]
        r = r.diagonal(dim1=-2, dim2=-1).abs()
        rest.append((r.amin(-1) / r.amax(-1)).median())
    assert torch.stack(rest).median() > 1e-2


def test_every_parameter_learns():
    net = VectorNet(3).double()
    net(*inputs(3)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in net.parameters())


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_vectors_are_of_size_1_in_any_unit(scale):
    x, s, batch, size = inputs(3)
    assert 1e-2 < VectorNet(3).double()(x * scale, s, batch, size).norm(dim=-1).median() < 1e2


def test_zeros_and_empty_graphs():
    x = torch.zeros(3, 2, 3, dtype=torch.float64, requires_grad=True)
    v = VectorNet(3).double()(x, torch.ones(3, 1, dtype=x.dtype), torch.tensor([1, 1, 3]), 5)
    assert v.eq(0).all()
    v.sum().backward()
    assert x.grad.isfinite().all()
