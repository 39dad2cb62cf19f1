"""Derivatives of models in weighted frames: right, finite, conserving, in the plane and on the line."""

import pytest
import torch

from fa_pyg import PCAFrame, WeightedPCAFrame
from fa_pyg.math.linalg import scatter_sum
from fa_pyg.testing import (
    catalogue,
    random_motion,
)
from fa_pyg.testing.forces import assert_conservative
from fa_pyg.testing.probe import Probe, framed_probe

GROUPS = ["E(3)", "SE(3)", "O(3)", "SO(3)", "E(2)", "SE(2)", "O(2)", "SO(2)"]
CLOUDS = {cloud.name: cloud for cloud in catalogue(3)}


def forces(model):
    def f(z, pos, batch):
        pos = pos.clone().requires_grad_()
        energy = model(z=z, pos=pos, batch=batch)["graph scalar"]
        return torch.autograd.grad(energy.sum(), pos)[0]

    return f


def force_errors(collated, frame, clouds, scale=1e-4):
    """Of each cloud: the error along a random direction, net force and torque, relative to the force."""
    model, (z, pos, batch) = framed_probe(frame).double(), collated(clouds)
    g, size = torch.Generator().manual_seed(0), len(clouds)
    pos = random_motion(frame.group, g)(pos, "point")
    force = forces(model)(z, pos, batch)
    v = torch.randn(pos.shape, generator=g, dtype=torch.float64)

    def energy(t):
        with torch.no_grad():
            return model(z=z, pos=pos + t * v, batch=batch)["graph scalar"]

    slope = [
        (8 * (energy(h) - energy(-h)) - energy(2 * h) + energy(-2 * h)) / (12 * h) for h in (scale, scale / 8)
    ]
    found = scatter_sum((force * v).sum(1), batch, size)
    error = torch.stack([(one - found).abs() for one in slope]).amin(0)
    norm = scatter_sum(force.norm(dim=1), batch, size) + 1e-3
    net = scatter_sum(force, batch, size).norm(dim=1)
    count = scatter_sum(torch.ones_like(pos[:, :1]), batch, size)
    x = pos - (scatter_sum(pos, batch, size) / count)[batch] if frame.group.translates else pos
    arms = scatter_sum(x.norm(dim=1), batch, size) + 1
    product = x.unsqueeze(2) * force.unsqueeze(1)
    torque = scatter_sum((product - product.mT).flatten(1), batch, size).norm(dim=1) / arms
    return {"slope": error / norm, "net": net / norm, "torque": torque / norm}


@pytest.mark.parametrize("group", GROUPS)
def test_forces_on_degenerate_clouds(collated, few, group):
    """Against differences of fourth order, where no second derivative jumps: not on nearly symmetric ones.

    Where all points are one, of several colors, there is no derivative.
    """
    clouds = [
        c for c in few(int(group[-2]), 2) if c.order is not None and c.name != "coincident points, coloured"
    ]
    found = force_errors(collated, WeightedPCAFrame(group), clouds)
    assert found["slope"].max() < 1e-6, clouds[found["slope"].argmax()].name
    assert found["torque"].max() < 1e-10
    if "E" in group:
        assert found["net"].max() < 1e-10


def test_wrong_forces_are_found(collated, few):
    clouds = few(3, 2)
    for frame in (WeightedPCAFrame("E(3)", detach=True), PCAFrame("E(3)")):
        assert not force_errors(collated, frame, clouds)["slope"].max() < 1e-2
    assert force_errors(collated, WeightedPCAFrame("E(3)", detach=True), clouds)["torque"].max() > 1e-2


@pytest.mark.parametrize("group", ["E(3)", "SE(3)", "O(3)", "E(2)"])
def test_derivatives_are_finite(collated, few, group, dtype):
    """The second ones, too; where all points are one no derivative exists, but a number comes."""
    frame = WeightedPCAFrame(group)
    for velocities in (False, True):
        model = framed_probe(frame, velocities=velocities).to(dtype)
        z, pos, batch = collated(few(int(group[-2]), 3))
        pos = pos.to(dtype).requires_grad_()
        vel = {"vel": torch.randn(pos.shape, dtype=dtype, requires_grad=True)} if velocities else {}
        found = model(z=z, pos=pos, batch=batch, **vel)
        energy = sum(x.sum() for x in found.values())
        first = torch.autograd.grad(energy, [pos, *vel.values()], create_graph=True)
        second = torch.autograd.grad(sum(x.square().sum() for x in first), [pos, *vel.values()])
        assert all(x.isfinite().all() for x in (*first, *second))


@pytest.mark.parametrize("group", ["E(3)", "SE(3)", "O(2)"])
@pytest.mark.parametrize("kind", ["generic", "blended"])
def test_second_derivatives(group, kind):
    """Generic: one frame; blended: inside the gap, where families of frames share the weight."""
    dim, g = int(group[-2]), torch.Generator().manual_seed(3)
    stretch = torch.linspace(1, 2, dim, dtype=torch.float64)
    pos = torch.randn(4, dim, generator=g, dtype=torch.float64) * stretch
    if kind == "blended":
        pos = pos - pos.mean(0)
        pos = (
            pos @ torch.linalg.inv(torch.linalg.cholesky(pos.T @ pos)).T * 2
        )  # all spreads equal, then apart
        pos = pos * torch.tensor([1.0, 1.11, 1.23], dtype=pos.dtype)[:dim]
    frame = WeightedPCAFrame(group, tau=0.1, gap=0.3)
    if kind == "blended":
        assert frame(pos).num_frames > 1
    model, batch = framed_probe(frame).double(), torch.zeros(4, dtype=torch.long)

    def energy(x):
        return model(z=None, pos=x, batch=batch)["graph scalar"]

    assert torch.autograd.gradcheck(energy, pos.requires_grad_())
    assert torch.autograd.gradgradcheck(energy, pos)


@pytest.mark.parametrize(
    "name", ["generic plane, tilted", "generic line, oblique", "CO2", "12-gon", "benzene"]
)
def test_forces_stay_in_the_plane_and_on_the_line(name):
    for group in ("E(3)", "SE(3)"):
        x = CLOUDS[name].pos - CLOUDS[name].pos.mean(0)
        singular, basis = torch.linalg.svd(x)[1:]
        across = basis[singular < 1e-9 * singular[0]]
        force = forces(framed_probe(WeightedPCAFrame(group)).double())(
            CLOUDS[name].z, x, torch.zeros(len(x), dtype=torch.long)
        )
        leaving = (force @ across.T).norm() / force.norm()
        if len(across) == 2 or group == "E(3)" or CLOUDS[name].order > 2:
            assert leaving < 1e-9
        else:  # a generic plane is no mirror plane of a rotation
            assert leaving > 1e-3
    bare = forces(Probe(3).double())(CLOUDS[name].z, x, torch.zeros(len(x), dtype=torch.long))
    assert (bare @ across.T).norm() / bare.norm() > 1e-2


def test_energies_are_conserved(collated):
    """The same by the kit, on a batch of molecules."""
    model = framed_probe(WeightedPCAFrame("E(3)")).double()
    z, pos, batch = collated([CLOUDS[name] for name in ("methane", "generic", "benzene", "CO2", "allene")])
    args = {"z": z, "pos": random_motion("E(3)")(pos), "batch": batch}
    assert_conservative(model, args, energy="graph scalar", group="E(3)", step=1e-5)
    with pytest.raises(AssertionError, match="not conservative"):
        assert_conservative(Probe(3).double(), args, energy="graph scalar", group="E(3)")
