"""Known errors of other implementations of frame averaging: tests of this one, with theirs as the control."""

import pytest
import torch
from helpers import CoordinateMLP, EnergyMLP
from torch_geometric.data import Data
from torch_geometric.transforms import NormalizeRotation

from fa_pyg import FrameAveraging, HaarFrame, PCAFrame, PerMode, Sample
from fa_pyg.testing import assert_equivariant, equivariance_error, random_motion

TETRAHEDRON = torch.tensor([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]], dtype=torch.float64)

SQUARE = TETRAHEDRON * torch.tensor([1.0, 1.0, 0.0])


def cloud(n=8, seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(n, 3, generator=g, dtype=torch.float64) * torch.tensor([1.0, 2.0, 3.0])


# One pose whose signs come from the eigenvectors alone ------------------------------------------------


def count(pose, trials=50):
    """In how many of the trials a turned copy gets another pose than the cloud."""
    g, x = torch.Generator().manual_seed(0), cloud()
    moved = [random_motion("SO(3)", g)(x, "vector") for _ in range(trials)]
    return sum(not torch.allclose(pose(x), pose(y), atol=1e-6) for y in moved)


def test_signs_from_the_eigenvectors_are_no_frame():
    def summed(x):
        axes = torch.linalg.eigh(x.T @ x)[1]
        axes = axes * axes.sum(0).sign()
        return x @ axes

    assert count(summed) > 25
    assert count(lambda x: NormalizeRotation()(Data(pos=x.float())).pos.double()) > 25


def test_all_signs_are_one():
    def poses(x):
        frames = PCAFrame("SO(3)")(x)
        rows = frames.to_frame(x, "vector").view(frames.slots, -1)
        return torch.stack(sorted(rows, key=lambda row: row.round(decimals=6).tolist()))

    assert count(poses) == 0


# Gradients ------------------------------------------------------------------------------------------


def test_forces_are_the_gradient_of_the_energy():
    x = cloud()
    framed = FrameAveraging(EnergyMLP(), PCAFrame("E(3)"))
    for model, right in [(framed, True), (FrameAveraging(EnergyMLP(), PCAFrame("E(3)", detach=True)), False)]:
        pos = x.clone().requires_grad_()
        (grad,) = torch.autograd.grad(model(pos).sum(), pos)
        step = torch.zeros_like(x)
        step[2, 1] = 1e-5
        slope = (model(x + step) - model(x - step)).item() / 2e-5
        assert (abs(slope - grad[2, 1].item()) < 1e-7 * grad.abs().max()) == right
        assert (grad.sum(0).abs().max() < 1e-9 * grad.abs().max()) == right  # else it accelerates itself


def test_gradients_are_finite_at_equal_eigenvalues():
    pos = TETRAHEDRON.clone().requires_grad_()
    FrameAveraging(EnergyMLP(), PCAFrame("E(3)"))(pos).sum().backward()
    assert pos.grad.isfinite().all()
    pos = TETRAHEDRON.clone().requires_grad_()
    (pos @ torch.linalg.eigh(pos.T @ pos)[1]).pow(3).sum().backward()
    assert not pos.grad.isfinite().all()


# Precision ------------------------------------------------------------------------------------------


def angle(a, b):
    """The largest angle between corresponding axes, in degrees."""
    cosine = (a * b).sum(0).abs().clamp(max=1)
    return torch.rad2deg(cosine.acos()).max().item()


def test_autocast_does_not_turn_the_axes():
    x = cloud(30).float()
    exact = torch.linalg.eigh(x.double().T @ x.double())[1]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        peer = torch.linalg.eigh((x.T @ x).float())[1].double()
        ours = PCAFrame("O(3)")(x).rotation[0]
    assert angle(exact, peer) > 0.02
    assert angle(exact, ours) < 1e-5


@pytest.mark.parametrize("offset", [1e2, 1e4])
def test_clouds_far_away_in_float32(offset):
    """The input is rounded, the frame adds nothing to it."""
    x = (cloud(30) + offset).float()
    exact = x.double() - x.double().mean(0)
    exact = torch.linalg.eigh(exact.T @ exact)[1]
    frames = PCAFrame("E(3)")(x)
    assert angle(exact, frames.rotation[0]) < 1e-5


# Batches --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("frame", [HaarFrame("E(3)", k=1), Sample(PCAFrame("E(3)"), k=1)])
def test_every_graph_draws_its_own_frame(frame):
    x = cloud()
    batch = torch.arange(16).repeat_interleave(len(x))
    rotation = frame(x.repeat(16, 1), batch=batch).rotation
    assert len(torch.unique(rotation.round(decimals=6), dim=0)) > 4
    model = FrameAveraging(CoordinateMLP(), frame, output="vector")
    out = model(x.repeat(16, 1), batch).view(16, -1)
    assert out.std(0).max() > 1e-3


def test_graphs_of_any_size():
    sizes = [1, 2, 3, 5, 8, 13]
    clouds = [cloud(n, seed=n) for n in sizes]
    batch = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    model = FrameAveraging(EnergyMLP(), PCAFrame("E(3)"))
    together = model(torch.cat(clouds), batch)
    assert torch.allclose(together, torch.cat([model(x) for x in clouds]), atol=1e-11)


def test_the_centroid_is_added_back():
    x = cloud() + 7
    model = FrameAveraging(CoordinateMLP(), PCAFrame("E(3)"), output="point")
    assert_equivariant(model, (x,), "E(3)", output="point")
    assert torch.allclose(model(x + 1), model(x) + 1)
    with pytest.raises(AssertionError, match="translated"):  # as it is when it is forgotten
        assert_equivariant(
            FrameAveraging(CoordinateMLP(), PCAFrame("E(3)"), output="vector"), (x,), "E(3)", output="point"
        )


def test_node_order_does_not_matter():
    x, order = cloud(), torch.randperm(8)
    model = FrameAveraging(CoordinateMLP(), PCAFrame("SE(3)"), output="vector")
    assert torch.allclose(model(x[order]), model(x)[order], atol=1e-12)


@pytest.mark.parametrize("group", ["E(3)", "SE(3)", "O(3)", "SO(3)"])
def test_planar_clouds(group):
    x = cloud() * torch.tensor([1.0, 1.0, 0.0])
    model = FrameAveraging(CoordinateMLP(), PCAFrame(group), output="vector")
    assert_equivariant(model, (random_motion(group)(x),), group, output="vector")


# What plain frames cannot do, and say so --------------------------------------------------------------


def test_equal_eigenvalues_are_documented_as_wrong():
    """Here the axes are arbitrary, and the average is not equivariant: the control of frames that can."""
    model = FrameAveraging(EnergyMLP(), PCAFrame("E(3)"))
    for shape in (TETRAHEDRON, SQUARE):
        pos = random_motion("E(3)", torch.Generator().manual_seed(0))(shape)
        assert equivariance_error(model, (pos,), "E(3)", level="graph")["proper"] > 1e-4
    text = " ".join(PCAFrame.__doc__.split())
    assert "Not guaranteed: equivariance where eigenvalues coincide (symmetric molecules)" in text


def test_one_frame_for_training_and_another_for_evaluation():
    model = FrameAveraging(EnergyMLP(), PerMode(train=HaarFrame("E(3)", k=1), eval=PCAFrame("E(3)")))
    assert equivariance_error(model, (cloud(),), "E(3)", level="graph")["proper"] > 1e-4
    assert_equivariant(model.eval(), (cloud(),), "E(3)", level="graph")
