"""Weighted principal axes are exact on degenerate clouds; wrong arguments are refused."""

import pytest
import torch
from torch import nn

from fa_pyg import FrameAveraging, PCAFrame, Rep, WeightedPCAFrame
from fa_pyg.math.linalg import scatter_sum
from fa_pyg.testing import (
    assert_equivariant,
    assert_frame,
    catalogue,
    equivariance_error,
    modified,
)
from fa_pyg.testing.exactness import assert_exact, exactness_error
from fa_pyg.testing.probe import Probe, framed_probe

GROUPS = ["E(3)", "SE(3)", "O(3)", "SO(3)", "E(2)", "SE(2)", "O(2)", "SO(2)"]
CLOUDS = {cloud.name: cloud for cloud in catalogue(3)}
MODIFIERS = [{}, {"scale": 1e-6}, {"scale": 1e6}, {"coloured": False}]


def largest(errors):
    return max(error if error == error else torch.inf for one in errors.values() for error in one.values())


@pytest.mark.parametrize("how", MODIFIERS, ids=str)
@pytest.mark.parametrize("group", GROUPS)
def test_exact_on_degenerate_clouds(few, group, how, dtype):
    clouds = [modified(cloud, **how) for cloud in few(int(group[-2]), 8)]
    length = how.get("scale", 1.0)
    assert_exact(WeightedPCAFrame(group), clouds, length=length, dtype=dtype)
    assert largest(exactness_error(PCAFrame(group), clouds, length=length, dtype=dtype)) > 1e-2


@pytest.mark.parametrize("name", ["tau", "gap", "flat", "line", "projection"])
def test_exact_whatever_the_parameters(few, name):
    """They say how steep and how many; the error grows as 1 / (tau * gap)."""
    for value in (1e-2, 0.9) if name != "projection" else ("sparsemax", "entmax15"):
        for group in ("E(3)", "SE(2)"):
            assert_exact(WeightedPCAFrame(group, **{name: value}), few(int(group[-2]), 12), tol=1e-9)


@pytest.mark.parametrize("offset", [1e3, 1e6])
@pytest.mark.parametrize("group", ["E(3)", "SE(3)", "E(2)", "SE(2)"])
def test_far_away_the_rounding_of_the_input_bounds_the_error(few, group, offset, dtype):
    r"""error <= 10 * rounding / (tau * gap), with the rounding of the input relative to the cloud's size."""
    frame = WeightedPCAFrame(group, tau=0.025, gap=0.05)
    clouds = [modified(cloud, offset) for cloud in few(int(group[-2]), 7)]
    errors = exactness_error(frame, clouds, dtype=dtype)
    for cloud in clouds:
        size = (cloud.pos - cloud.pos.mean(0)).square().sum(1).mean().sqrt()
        rounding = torch.finfo(dtype).eps / 2 * offset / size
        bound = max(10 * rounding / (0.025 * 0.05), 1e-10)
        error = largest({cloud.name: errors[cloud.name]})
        assert error < bound, cloud.name


def test_the_bound_means_something():
    """Plain frames are beyond it, and a cloud at rest is well below it."""
    far = [modified(CLOUDS["methane"], 1e3)]
    assert largest(exactness_error(PCAFrame("E(3)"), far)) > 1e-2
    assert largest(exactness_error(WeightedPCAFrame("E(3)"), far)) < 1e-8


def test_bare_models_are_not_equivariant():
    cloud = CLOUDS["methane"]
    args = {"z": cloud.z, "pos": cloud.pos, "batch": torch.zeros(5, dtype=torch.long)}
    model = framed_probe(WeightedPCAFrame("E(3)")).double()
    assert_equivariant(model, args, "E(3)")
    bare = equivariance_error(Probe(3).double(), args, "E(3)", {"pos": "point"}, model.output, model.level)
    assert min(bare["proper"], bare["improper"], bare["translated"]) > 1e-2


@pytest.mark.parametrize("group", ["E(3)", "SE(3)", "O(2)"])
def test_frames_as_weighted_sets(few, group):
    dim = int(group[-2])
    for cloud in few(dim, 20):
        x = cloud.pos - cloud.pos.mean(0) * ("E" in group)
        if torch.linalg.matrix_rank(x, atol=1e-9) >= dim - 1:  # else only their averages are determined
            assert_frame(WeightedPCAFrame(group), cloud.pos, node_weight=cloud.z, tol=1e-7)


@pytest.mark.parametrize("name", ["CO2", "generic line, oblique", "one atom", "coincident points"])
@pytest.mark.parametrize("group", ["E(3)", "SE(3)"])
def test_exactness_is_reported(group, name):
    """On lines and points, quarter turns stand for all: up to rank 3."""

    class Net(nn.Module):
        def __init__(self, rank):
            super().__init__()
            self.rank, g = rank, torch.Generator().manual_seed(rank)
            self.out = torch.randn(8, 3**rank, generator=g, dtype=torch.float64)
            self.own = torch.randn(3, 8, generator=g, dtype=torch.float64)

        def forward(self, pos, batch):
            return scatter_sum((pos @ self.own + 0.3).tanh() @ self.out, batch, 1).view(-1, *[3] * self.rank)

    pos, frame, generic = CLOUDS[name].pos, WeightedPCAFrame(group), CLOUDS["methane"].pos
    for rank in range(5):
        model = FrameAveraging(Net(rank), frame, output=Rep(rank), level="graph")
        args = {"pos": pos, "batch": torch.zeros(len(pos), dtype=torch.long)}
        error = max(equivariance_error(model, args, group, trials=1).values())
        told = frame(pos).exact_for(Rep(rank)).item()
        assert told == (rank < 4)
        assert error < 1e-10 if told else error > 1e-3
        assert frame(generic).exact_for(Rep(rank)).all()


# ------------------------------------------------------------------------------------ bad input


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"tau": 0}, "tau: expected a positive number, found 0"),
        ({"tau": float("nan")}, "tau: .* found nan"),
        ({"tau": float("inf")}, "tau: .* found inf"),
        ({"tau": "sharp"}, "tau: .* found 'sharp'"),
        ({"gap": 0.0}, r"gap: expected a number between 0 and 1, found 0.0"),
        ({"gap": 1}, "gap: .* found 1"),
        ({"gap": "wide"}, "gap: .* found 'wide'"),
        ({"smoothness": "smooth"}, "smoothness: expected .*, found 'smooth'"),
        ({"smoothness": "forces", "gap": 0.5}, 'gap: expected a number below 0.5 for smoothness="forces"'),
        ({"flat": -0.1}, "flat: .* found -0.1"),
        ({"line": float("nan")}, "line: .* found nan"),
        ({"projection": "softmax"}, 'projection: expected "sparsemax" or "entmax15", found .softmax.'),
        ({"node_weight": "z"}, "node_weight: expected a callable or None, found 'z'"),
        ({"group": "E(4)"}, r"group: expected at most 3 dimensions, found E\(4\)"),
        ({"group": "Oh"}, "group: expected .* finite group Oh"),
    ],
)
def test_wrong_parameters_are_named(given, message):
    with pytest.raises(ValueError, match=message):
        WeightedPCAFrame(**{"group": "E(3)"} | given)


def test_wrong_shapes_are_named():
    frame = WeightedPCAFrame("E(3)")
    with pytest.raises(ValueError, match=r"pos: expected .*3\] .*found \[5, 2\]"):
        frame(torch.zeros(5, 2))
    with pytest.raises(ValueError, match="node_weight: expected one for each of 5 nodes"):
        frame(torch.zeros(5, 3), node_weight=torch.ones(4))


@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
@pytest.mark.parametrize("group", ["E(3)", "SO(3)", "SE(2)"])
def test_nan_and_infinity_stay_in_their_graph(collated, few, group, poison):
    clouds = few(int(group[-2]), 7)[:6]
    model, (z, pos, batch) = framed_probe(WeightedPCAFrame(group)).double(), collated(clouds)
    expected = model(z=z, pos=pos, batch=batch)
    bad = pos.clone()
    bad[(batch == 2).nonzero()[0]] = poison
    bad.requires_grad_()
    found = model(z=z, pos=bad, batch=batch)
    for name, x in found.items():
        rest = (batch if name.startswith("node") else torch.arange(6)) != 2
        assert (x[rest] - expected[name][rest]).abs().max() < 1e-12
    assert found["graph vector"][2].isnan().any()
    rest = torch.arange(6) != 2
    (grad,) = torch.autograd.grad(found["graph scalar"][rest].sum(), bad)
    assert grad[batch != 2].isfinite().all()


def test_empty_graphs():
    frame, pos = WeightedPCAFrame("E(3)", smoothness="fast"), CLOUDS["methane"].pos
    frames = frame(pos, batch=torch.full((5,), 2), num_graphs=4)
    assert frames.counts.tolist()[2] == 24
    assert frames.rotation.isfinite().all()
    assert torch.allclose(scatter_sum(frames.weight, frames.body, 4), torch.ones(4, dtype=torch.float64))
    assert frame(pos[:0], batch=torch.zeros(0, dtype=torch.long)).num_frames == 0


def test_node_weights():
    pos, frame = CLOUDS["generic"].pos, WeightedPCAFrame("E(3)")
    ones = frame(pos).rotation
    for weight in (torch.zeros(6), -torch.ones(6), torch.full((6,), 1e-30), torch.full((6,), 7.0)):
        torch.testing.assert_close(frame(pos, node_weight=weight).rotation, ones)
    weight = torch.tensor([1.0, 2, 3, 0, 5, 6])
    torch.testing.assert_close(
        frame(pos, node_weight=weight - 9 * (weight == 0)).rotation, frame(pos, node_weight=weight).rotation
    )
    without = frame(pos[weight > 0], node_weight=weight[weight > 0])
    torch.testing.assert_close(frame(pos, node_weight=weight).rotation, without.rotation)
    squared = WeightedPCAFrame("E(3)", node_weight=torch.square)(pos, node_weight=weight)
    torch.testing.assert_close(squared.rotation, frame(pos, node_weight=weight**2).rotation)
    assert not torch.allclose(squared.rotation[0].abs(), without.rotation[0].abs(), atol=1e-3)


@pytest.mark.parametrize("ratio", [1e6, 1e12])
def test_weights_of_very_different_size(ratio):
    methane = CLOUDS["methane"]
    for center, corner in ((ratio, 1.0), (1.0, ratio)):
        weight = torch.tensor([center, *[corner] * 4])
        assert WeightedPCAFrame("E(3)", smoothness="fast")(methane.pos, node_weight=weight).num_frames == 24
    one = methane._replace(z=torch.tensor([1, 1, 1, 1, int(min(ratio, 1e12))]))
    assert_exact(WeightedPCAFrame("E(3)", node_weight=lambda z: z.double()), [one], tol=1e-6)


@pytest.mark.parametrize("smoothness", ["forces", "dynamics"])
def test_wide_gaps_of_uneven_dimers(smoothness):
    """s is about 2 there: the axis stays good as long as gap s is below 1."""
    pos, weight = torch.tensor([[0.0, 0.1, 0.2], [0.7, -0.4, 0.5]]).double(), torch.tensor([50.0, 1.0])

    class Net(nn.Module):
        def forward(self, pos, batch):
            x = (pos + torch.tensor([0.1, 0.2, 0.3]).double()).tanh()
            return (x.unsqueeze(2) * x.exp().unsqueeze(1)).sum(0, keepdim=True)

    frame = WeightedPCAFrame("E(3)", smoothness=smoothness, gap=0.49)
    model = FrameAveraging(Net(), frame, output="tensor", level="graph", node_weight="weight")
    args = {"pos": pos, "batch": torch.zeros(2, dtype=torch.long), "weight": weight}
    assert frame(pos, node_weight=weight).exact_for("tensor").all()
    assert max(equivariance_error(model, args, "E(3)").values()) < 1e-10


@pytest.mark.parametrize("smoothness", ["fast", "forces"])
def test_points_of_the_line(smoothness):
    """What a centroid leaves is rounding, whose odd moments choose no sign."""
    pos = torch.tensor([[0.1], [0.1], [0.1], [0.3], [0.3], [0.3]], dtype=torch.float64)
    frames = WeightedPCAFrame("E(1)", smoothness=smoothness)(pos, batch=torch.tensor([0, 0, 0, 1, 1, 1]))
    assert frames.counts.tolist() == [2, 2]
    assert torch.allclose(frames.weight, torch.full_like(frames.weight, 0.5))


@pytest.mark.parametrize("smoothness", ["fast", "forces"])
def test_detached_in_forward_mode_as_well(smoothness):
    pos = torch.randn(5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    frame = WeightedPCAFrame("O(3)", smoothness=smoothness, detach=True)

    def energy(x):
        return (frame(x).rotation * torch.arange(9.0).view(3, 3)).sin().sum() + x.sum()

    slope = torch.func.jvp(energy, (pos,), (torch.ones_like(pos),))[1]
    assert slope.item() == pytest.approx(15)
    live = WeightedPCAFrame("O(3)", smoothness=smoothness)
    turned = torch.func.jvp(lambda x: (live(x).rotation[0]).sum(), (pos,), (pos.roll(1, 0),))[1]
    assert turned.abs() > 1e-3
