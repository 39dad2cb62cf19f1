"""Derivatives through the framed model: forces, training on forces, and what detaching costs."""

import pytest
import torch
from torch import nn
from torch_geometric.nn import global_add_pool

from fa_pyg import FrameAveraging, Frames, PCAFrame, Sample
from fa_pyg.builders import MotionFrame
from fa_pyg.testing import assert_equivariant

BATCH = torch.tensor([0, 0, 0, 0, 0, 1, 1, 1, 1])
Z = torch.tensor([1, 6, 8, 1, 1, 7, 6, 1, 9])
POS = (
    torch.randn(9, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    * torch.tensor([1, 2, 3])
    + 5
)


class Energy(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 1)).double()

    def forward(self, z, pos, batch):
        x = torch.cat([pos, z.unsqueeze(1) / 5], dim=1)
        return global_add_pool(self.layers(x), batch, int(batch.max()) + 1).squeeze(1)


class Forces(Energy):
    """Gives energy and forces, as interatomic potentials do."""

    def forward(self, z, pos, batch):
        with torch.enable_grad():
            pos = pos if pos.requires_grad else pos.detach().requires_grad_()
            energy = super().forward(z, pos, batch)
            (grad,) = torch.autograd.grad(energy.sum(), pos, create_graph=True)
        return energy, -grad


def forces(model, pos=POS, create_graph=False):
    pos = pos.clone().requires_grad_()
    return -torch.autograd.grad(model(Z, pos, BATCH).sum(), pos, create_graph=create_graph)[0]


def differences(model, pos=POS, h=1e-5):
    """Minus the central differences of the energy."""
    out = torch.zeros_like(pos)
    with torch.no_grad():
        for i in range(pos.numel()):
            step = torch.zeros_like(pos).view(-1)
            step[i] = h
            step = step.view_as(pos)
            out.view(-1)[i] = (model(Z, pos - step, BATCH).sum() - model(Z, pos + step, BATCH).sum()) / (
                2 * h
            )
    return out


@pytest.mark.parametrize("chunk", [1, 8])
@pytest.mark.parametrize("group", ["O(3)", "SO(3)", "E(3)", "SE(3)", "T(3)"])
def test_forces_are_the_gradient(group, chunk):
    model = FrameAveraging(Energy(), PCAFrame(group), chunk=chunk)
    exact = differences(model)
    assert (forces(model) - exact).abs().max() < 1e-7 * exact.abs().max()


def test_forces_through_detached_frames_are_not():
    model = FrameAveraging(Energy(), PCAFrame("E(3)", detach=True))
    exact = differences(model)
    assert torch.allclose(exact, differences(FrameAveraging(Energy(), PCAFrame("E(3)"))))
    assert (forces(model) - exact).abs().max() > 0.05 * exact.abs().max()
    net = torch.zeros(2, 3, dtype=POS.dtype).index_add(0, BATCH, forces(model))
    assert net.abs().max() > 1e-3  # the molecule would accelerate itself
    net = torch.zeros(2, 3, dtype=POS.dtype).index_add(
        0, BATCH, forces(FrameAveraging(Energy(), PCAFrame("E(3)")))
    )
    assert net.abs().max() < 1e-10


def test_forces_are_equivariant():
    class Derived(nn.Module):
        def __init__(self):
            super().__init__()
            self.energy = FrameAveraging(Energy(), PCAFrame("E(3)"))

        def forward(self, z, pos, batch):
            pos = pos.detach().requires_grad_()
            energy = self.energy(z, pos, batch)
            return energy, -torch.autograd.grad(energy.sum(), pos)[0]

    args = {"z": Z, "pos": POS, "batch": BATCH}
    assert_equivariant(Derived(), args, "E(3)", output=("scalar", "vector"))
    inside = FrameAveraging(Forces(), PCAFrame("E(3)"), output=("scalar", "vector"))
    assert_equivariant(inside, args, "E(3)", output=("scalar", "vector"))


def test_training_on_forces():
    model = FrameAveraging(Energy(), PCAFrame("E(3)"))

    def loss(weight):
        with torch.no_grad():
            model.model.layers[0].weight.copy_(weight)
        return forces(model, create_graph=True).square().sum()

    weight = model.model.layers[0].weight.detach().clone()
    (grad,) = torch.autograd.grad(loss(weight), model.model.layers[0].weight)
    direction, h = torch.randn_like(weight), 1e-5
    slope = (loss(weight + h * direction) - loss(weight - h * direction)) / (2 * h)
    assert torch.allclose((grad * direction).sum(), slope, rtol=1e-6)


@pytest.mark.parametrize("group", ["E(3)", "SO(3)"])
def test_second_derivatives(group):
    model = FrameAveraging(Energy(), PCAFrame(group))
    pos = POS.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda p: model(Z, p, BATCH), pos)
    assert torch.autograd.gradgradcheck(lambda p: model(Z, p, BATCH), pos)


class Weighted(MotionFrame):
    """Ragged frames whose rotations, weights and origin depend on the input."""

    def build(self, cloud):
        frames = PCAFrame(self.group).build(cloud)
        keep = torch.ones(frames.num_frames, dtype=torch.bool)
        keep[-1:] = False  # graph 1 has a frame less
        size = torch.zeros(cloud.size, dtype=frames.weight.dtype)
        weight = (
            frames.to_frame(cloud.read[0].value, "point").view(frames.slots, -1, 3)[:, [0, 5]].flatten(0, 1)
        )
        weight = (weight.sum(1).tanh() + 2)[keep]
        weight = weight / size.index_add(0, frames.body[keep], weight)[frames.body[keep]]
        return Frames(frames.rotation[keep], frames.body[keep], weight, frames.origin, num_bodies=cloud.size)


@pytest.mark.parametrize("chunk", [1, 3])
def test_derivatives_through_ragged_weights(chunk):
    model = FrameAveraging(Energy(), Weighted("SE(3)"), chunk=chunk)
    exact = differences(model)
    assert (forces(model) - exact).abs().max() < 1e-7 * exact.abs().max()
    pos = POS.clone().requires_grad_()
    assert torch.autograd.gradgradcheck(lambda p: model(Z, p, BATCH), pos)


def test_gradients_of_samples_are_unbiased():
    full = forces(FrameAveraging(Energy(), PCAFrame("SE(3)")))
    sampled = FrameAveraging(
        Energy(), Sample(PCAFrame("SE(3)"), k=1, generator=torch.Generator().manual_seed(0))
    )
    draws = torch.stack([forces(sampled) for _ in range(400)])
    assert (draws.mean(0) - full).abs().max() < 5 * draws.std(0).max() / 400**0.5


@pytest.mark.parametrize("cloud", ["square", "line", "point"])
def test_gradients_are_finite_on_symmetric_clouds(cloud):
    pos = {
        "square": [[1, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0]],
        "line": [[0, 0, 0], [1, 0, 0], [3, 0, 0], [4, 0, 0]],
        "point": [[1, 2, 3]] * 4,
    }[cloud]
    pos = torch.tensor(pos, dtype=torch.float64).repeat(2, 1).requires_grad_()
    model = FrameAveraging(Energy(), PCAFrame("E(3)"))
    energy = model(torch.ones(8, dtype=torch.long), pos, torch.arange(2).repeat_interleave(4))
    (force,) = torch.autograd.grad(energy.sum(), pos, create_graph=True)
    (second,) = torch.autograd.grad(force.square().sum(), pos)
    assert force.isfinite().all()
    assert second.isfinite().all()
