"""Frames of fixed number: the same averages as those of as many frames as there are, or an error."""

import math

import pytest
import torch
from torch import nn

from fa_pyg import FrameAveraging, PCAFrame, Sample, WeightedPCAFrame
from fa_pyg.builders.cloud import cloud_of
from fa_pyg.builders.weighted.fixed import frames_of_fixed_number
from fa_pyg.builders.weighted.principal import Principal
from fa_pyg.math.linalg import scatter_sum
from fa_pyg.testing import catalogue
from fa_pyg.testing.exactness import assert_exact, exactness_error

CLOUDS = {cloud.name: cloud for cloud in catalogue(3)}
SETTINGS = [("fast", 3), ("fast", 8), ("forces", 16), ("dynamics", 48)]
GROUPS = ["E(3)", "SE(3)", "O(3)", "E(2)", "SO(2)"]


def disturbed(clouds, size):
    """The clouds themselves, and the same a little off their symmetry."""
    g = torch.Generator().manual_seed(0)
    noise = [size * torch.rand(1, generator=g) * torch.randn(c.pos.shape, generator=g) for c in clouds]
    return [*clouds, *(c._replace(pos=c.pos + x.double()) for c, x in zip(clouds, noise, strict=True))]


def average(frames, x):
    """An average over frames that depends on all their rotations and weights, for each body."""
    value = ((frames.rotation * x).sum((1, 2)) + 0.3).sin()
    return scatter_sum(frames.weight * value, frames.body, frames.num_bodies)


def padded(frame, pos, batch, z, size):
    """The frames of fixed number, whether bodies have more, without an error, and points of few frames."""
    cloud = cloud_of(frame.group, pos, batch=batch, num_graphs=size, node_weight=z)
    principal = Principal.of(cloud, *cloud.columns(frame.group), frame.settings)
    is_few = frame.max_frames < len(frame.signs) * math.factorial(pos.size(1))
    made = frames_of_fixed_number(principal, frame.signs.to(principal.axes), frame.max_frames)
    return *made, principal.gaps.point & is_few


@pytest.mark.parametrize(("smoothness", "most"), SETTINGS)
@pytest.mark.parametrize("group", GROUPS)
def test_they_are_the_frames_of_positive_weight(few, collated, group, smoothness, most):
    clouds = disturbed(few(int(group[-2]), 5), 0.05)
    z, pos, batch = collated(clouds)
    pos = pos.requires_grad_()
    plain = WeightedPCAFrame(group, smoothness=smoothness)
    expected = plain(pos, batch=batch, num_graphs=len(clouds), node_weight=z)
    frame = WeightedPCAFrame(group, smoothness=smoothness, max_frames=most)
    found, overflow, points = padded(frame, pos, batch, z, len(clouds))
    assert found.slots <= most
    assert found.num_frames == found.slots * len(clouds)
    assert torch.equal(overflow & ~points, (expected.counts > most) & ~points)
    assert overflow.sum() < len(clouds)
    assert overflow.any() or group == "SO(2)"
    assert torch.equal(found.exact, torch.where(points, expected.exact.clamp(max=1), expected.exact))
    x = torch.arange(1.0, 1 + found.dim**2, dtype=pos.dtype).view(found.dim, found.dim).cos()
    a, b = average(found, x), average(expected, x)
    assert a[overflow].isnan().all()  # never a number that is nearly right
    kept = ~overflow & ~points
    assert (a - b)[kept].abs().max() < 1e-14
    grads = [torch.autograd.grad(v[kept].sum(), pos)[0][kept[batch]] for v in (a, b)]
    assert (grads[0] - grads[1]).abs().max() < 1e-9 * grads[1].abs().max() + 1e-14


@pytest.mark.parametrize(("group", "smoothness"), [("E(3)", "fast"), ("SE(3)", "forces"), ("E(2)", "forces")])
def test_exact_where_they_suffice(few, collated, group, smoothness):
    clouds, plain = few(int(group[-2]), 7), WeightedPCAFrame(group, smoothness=smoothness)
    z, pos, batch = collated(clouds)
    counts = plain(pos, batch=batch, node_weight=z).counts.tolist()
    clouds = [cloud for cloud, count in zip(clouds, counts, strict=True) if count <= 48]
    assert len(clouds) > 3
    assert_exact(WeightedPCAFrame(group, smoothness=smoothness, max_frames=48), clouds)
    assert max(max(error.values()) for error in exactness_error(PCAFrame(group), clouds).values()) > 1e-2


def test_more_of_them_are_refused():
    methane, water = CLOUDS["methane"], CLOUDS["generic"]
    pos, batch = torch.cat([water.pos, methane.pos]), torch.tensor([0] * len(water.pos) + [1] * 5)
    message = "max_frames: expected at most 8 frames of each body, found 24 of body 1"
    frame = WeightedPCAFrame("E(3)", smoothness="fast", max_frames=8)
    with pytest.raises(ValueError, match=message):
        frame(pos, batch=batch, node_weight=torch.cat([torch.ones(len(water.pos)), methane.z]))
    assert frame(water.pos).slots == 8


class Constant(nn.Module):
    """Outputs of each graph that do not depend on its nodes, of which there may be none."""

    def __init__(self, rank):
        super().__init__()
        self.value = torch.randn(*[3] * rank, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def forward(self, pos, batch, num_graphs):
        return self.value.expand(num_graphs, *self.value.shape)


@pytest.mark.parametrize(("group", "signs"), [("E(3)", 8), ("SE(3)", 4)])
@pytest.mark.parametrize("smoothness", ["fast", "forces"])
def test_points_and_graphs_without_nodes_take_no_more_than_the_signs(group, signs, smoothness):
    pos = torch.cat([CLOUDS["G2 H2O"].pos, torch.ones(3, 3, dtype=torch.float64)])
    batch = torch.tensor([0, 0, 0, 1, 3, 3])  # a molecule, an atom, no node, two atoms in one place
    for most in (signs, 6 * signs):
        frame = WeightedPCAFrame(group, smoothness=smoothness, max_frames=most)
        vector, tensor = (
            FrameAveraging(Constant(rank), frame, output="vector" if rank == 1 else "tensor")(pos, batch, 4)
            for rank in (1, 2)
        )
        assert vector[1:].abs().max() < 1e-15
        apart = tensor - tensor.diagonal(dim1=1, dim2=2).mean(1)[:, None, None] * torch.eye(3)
        frames = frame(pos, batch=batch, num_graphs=4)
        assert frames.exact_for("vector").all()
        assert frames.exact_for("tensor").tolist() == [True] + [most > signs] * 3
        assert (apart[1:].abs().max() < 1e-7) == (most > signs)  # the negative control
        assert Constant(1).value.abs().min() > 0.1
    with pytest.raises(ValueError, match=r"found .* of body 1"):
        WeightedPCAFrame(group, smoothness="fast", max_frames=signs // 2)(pos, batch=batch, num_graphs=4)


@pytest.mark.parametrize("name", ["CO2", "methane"])
@pytest.mark.parametrize("smoothness", ["fast", "forces"])
def test_second_derivatives_with_an_atom_at_the_centroid(name, smoothness):
    pos = CLOUDS[name].pos
    batch, weight = torch.zeros(len(pos), dtype=torch.long), torch.randn(3, 8, dtype=torch.float64)

    class Energy(nn.Module):
        def forward(self, pos, batch, num_graphs):
            return scatter_sum(torch.sin(pos @ weight + 0.3).sum(1), batch, num_graphs)

    def curved(most):
        frame = WeightedPCAFrame("SE(3)", smoothness=smoothness, max_frames=most)
        x = (pos + 0.01 * torch.arange(3)).requires_grad_()
        (force,) = torch.autograd.grad(
            FrameAveraging(Energy(), frame)(x, batch, 1).sum(), x, create_graph=True
        )
        along = torch.arange(1.0, 1 + pos.numel(), dtype=pos.dtype).view_as(pos).cos()
        return torch.autograd.grad((force * along).sum(), x)[0]

    expected = curved(None)
    assert expected.abs().max() > 1e-3
    torch.testing.assert_close(curved(480), expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"max_frames": 0}, "max_frames: expected a positive integer"),
        ({"max_frames": 12}, 'max_frames: expected a multiple of 8, .* smoothness="forces", found 12'),
        ({"max_frames": 6, "group": "SE(3)"}, "max_frames: expected a multiple of 4, .* found 6"),
        ({"max_frames": "many"}, "max_frames: expected .*, found 'many'"),
    ],
)
def test_wrong_numbers_are_named(given, message):
    with pytest.raises(ValueError, match=message):
        WeightedPCAFrame(**{"group": "E(3)"} | given)
    WeightedPCAFrame("E(3)", smoothness="fast", max_frames=3)
    assert WeightedPCAFrame("T(3)", max_frames=3)(torch.randn(4, 3)).num_frames == 1


class Inverse(nn.Module):
    """A model that is infinite in other frames than those of the input."""

    def forward(self, pos, batch):
        return scatter_sum(1 / pos.abs().sum(1), batch, int(batch.max()) + 1)


def test_what_fills_up_is_a_frame_of_the_body():
    clouds = [CLOUDS["generic"], CLOUDS["allene"], CLOUDS["generic plane, tilted"]]
    pos = torch.cat([cloud.pos for cloud in clouds])
    batch = torch.arange(3).repeat_interleave(torch.tensor([len(cloud.pos) for cloud in clouds]))
    frame = WeightedPCAFrame("E(3)", smoothness="fast", max_frames=8)
    frames = frame(pos, batch=batch)
    empty = frames.weight.view(8, 3) == 0
    assert empty.any()
    rotation = frames.rotation.view(8, 3, 3, 3)
    first = rotation[:1].expand_as(rotation)
    assert torch.equal(rotation[empty], first[empty])
    assert not torch.equal(rotation[~empty], first[~empty])
    plain = WeightedPCAFrame("E(3)", smoothness="fast")
    found, expected = (FrameAveraging(Inverse(), f)(pos, batch) for f in (frame, plain))
    torch.testing.assert_close(found, expected)
    assert Sample(frame, k=3)(pos, batch=batch).weight.eq(1 / 3).all()


def test_a_nan_stays_in_its_body(few, collated):
    z, pos, batch = collated(few(3, 9)[:6])
    bad = pos.clone()
    bad[(batch == 2).nonzero()[0]] = torch.nan
    frame = WeightedPCAFrame("E(3)", max_frames=192)
    found, expected = (frame(x, batch=batch, node_weight=z) for x in (bad, pos))
    own = found.body == 2
    assert found.weight[own].isnan().any()
    assert torch.equal(found.weight[~own], expected.weight[~own])
    assert torch.equal(found.rotation[~own], expected.rotation[~own])


@pytest.mark.parametrize("name", ["methane", "line", "benzene"])
@pytest.mark.parametrize("group", ["O(3)", "SE(3)"])
def test_nan_stays_in_its_body(group, name):
    """Also where others have fewer frames than there are slots, which are filled with copies."""
    pos = next((cloud.pos for key, cloud in CLOUDS.items() if name in key), CLOUDS["methane"].pos).double()
    broken = torch.tensor([[torch.nan, 2.0, 3.0], [0.3, 0.2, -0.5]], dtype=torch.float64)
    frame = WeightedPCAFrame(group, smoothness="fast", max_frames=64)
    batch = torch.tensor([0, 0, *[1] * len(pos)])
    frames = frame(torch.cat([broken, pos]), batch=batch, num_graphs=2)
    alone = frame(pos, batch=batch[2:] - 1, num_graphs=1)
    assert frames.weight[frames.body == 0].isnan().all()
    assert torch.equal(frames.rotation[frames.body == 1], alone.rotation)
    assert torch.equal(frames.weight[frames.body == 1], alone.weight)


@pytest.mark.parametrize("size", [1, 3])
def test_empty_bodies(size):
    frame = WeightedPCAFrame("E(3)", max_frames=48)
    frames = frame(torch.zeros(0, 3), batch=torch.zeros(0, dtype=torch.long), num_graphs=size)
    weight = frames.weight.view(frames.slots, size)
    assert torch.allclose(weight.sum(0), torch.ones_like(weight[0]))
