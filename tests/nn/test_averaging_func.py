"""The transforms of torch.func see a framed energy as autograd does."""

import pytest
import torch
from helpers import EnergyMLP
from torch.func import functional_call, grad, hessian, jacfwd, jacrev, vmap

from fa_pyg import FrameAveraging, PCAFrame

BATCH = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1, 1])
POS = torch.randn(9, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def energy_of(model, batch):
    return lambda pos: model(pos, batch).sum()


@pytest.fixture(params=[None, BATCH], ids=["one graph", "batch"])
def batch(request):
    return request.param


@pytest.mark.parametrize("group", ["E(3)", "SE(3)"])
@pytest.mark.parametrize("detach", [False, True])
def test_first_and_second_derivatives_are_those_of_autograd(batch, group, detach):
    model = FrameAveraging(EnergyMLP(), PCAFrame(group, detach))
    energy, pos = energy_of(model, batch), POS.clone().requires_grad_()
    (force,) = torch.autograd.grad(energy(pos), pos)
    curvature = torch.autograd.functional.hessian(energy, POS)
    for transform in (grad, jacrev, jacfwd):
        assert torch.allclose(transform(energy)(POS), force, atol=1e-12)
    for transform in (hessian, lambda f: jacrev(jacrev(f)), lambda f: jacfwd(grad(f))):
        assert torch.allclose(transform(energy)(POS), curvature, atol=1e-11)
    through = FrameAveraging(model.model, PCAFrame(group, not detach))  # it is not blind to the frame
    assert not torch.allclose(grad(energy_of(through, batch))(POS), force, atol=1e-3)


def test_many_conformations_at_once(batch):
    model = FrameAveraging(EnergyMLP(), PCAFrame("E(3)"))
    energy, many = energy_of(model, batch), torch.stack([POS, POS.sin() * 2, POS.flip(0)])
    assert torch.allclose(vmap(energy)(many), torch.stack([energy(p) for p in many]))
    assert torch.allclose(vmap(grad(energy))(many), torch.stack([grad(energy)(p) for p in many]))


def test_gradients_of_weights():
    model = FrameAveraging(EnergyMLP(), PCAFrame("E(3)"))
    weights = {name: p.detach() for name, p in model.named_parameters()}
    found = grad(lambda w: functional_call(model, w, (POS, BATCH)).square().sum())(weights)
    model(POS, BATCH).square().sum().backward()
    for name, p in model.named_parameters():
        assert torch.allclose(found[name], p.grad, atol=1e-12)
