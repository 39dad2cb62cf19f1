"""Scalings and boosts of data: random ones, poses of unit size at rest, and frames that are stored."""

import pytest
import torch
from torch_geometric.data import Batch, Data

from fa_pyg import FrameAveraging, GalileanFrame, PCAFrame, RandomScaleFrame, Rep, ScaleFrame
from fa_pyg.testing import Motion, random_motion
from fa_pyg.transforms import AddFrames, CanonicalPose, RandomMotion, data_frames

POINT, LATER = Rep(1, affine=True, scale=1), Rep(1, affine=True, scale=1, boost=1)
INPUTS = {"pos": POINT, "vel": Rep(1, scale=1, boost=1), "charge": Rep(scale=1.5), "y": LATER}
FRAME = GalileanFrame(ScaleFrame(PCAFrame("E(3)")))


@pytest.fixture
def systems():
    def one(n):
        pos, vel, y = (torch.randn(n, 3, dtype=torch.float64) + 1 for _ in range(3))
        return Data(pos=pos, vel=vel, y=y, charge=torch.randn(n, 1, dtype=torch.float64))

    return [one(n) for n in (5, 4, 7)]


def moved(data, g):
    return Data(**{name: g(data[name], rep) for name, rep in INPUTS.items()})


@pytest.mark.parametrize("group", ["Sim(3)", "Gal(3)", "R+:B:SO(3)", "E(3)"])
def test_random_motions_scale_and_boost_every_graph_by_its_own(group, systems):
    seed = torch.Generator().manual_seed
    inputs = INPUTS if "SO" not in group else {**INPUTS, "pos": Rep(1, scale=1), "y": INPUTS["vel"]}
    transform = RandomMotion(group, inputs, torch.Generator().manual_seed(3), sigma=0.7, boost=2.0)
    found, draw, size = transform(Batch.from_data_list(systems)), seed(3), len(systems)
    rotation = transform.group.haar(size, draw, dtype=torch.float64)
    kind = {"generator": draw, "dtype": torch.float64}
    shift = torch.zeros(size, 3, dtype=torch.float64)
    if transform.group.translates:
        shift = torch.randn(size, 3, **kind)
    scale = (0.7 * torch.randn(size, **kind)).exp() if transform.group.scales else torch.ones(size)
    boost = 2 * torch.randn(size, 3, **kind) if transform.group.boosts else shift * 0
    for b, (before, after) in enumerate(zip(systems, found.to_data_list(), strict=True)):
        g = Motion(rotation[b], shift[b], scale[b].item(), boost[b])
        for name, rep in inputs.items():
            assert torch.allclose(after[name], g(before[name], rep), rtol=1e-12, atol=1e-12), name
    assert (scale.std() > 0) == transform.group.scales


def test_all_copies_have_one_pose(systems):
    """Of unit size, at rest, from which predictions find back."""
    pose, draw = CanonicalPose(FRAME, INPUTS), torch.Generator().manual_seed(0)
    for data in systems:
        posed, other = pose(data), pose(moved(data, random_motion("R+:Gal(3)", draw)))
        assert (posed.pos.square().sum(1).mean() - 1).abs() < 1e-12
        assert posed.vel.mean(0).abs().max() < 1e-12
        for name in INPUTS:
            assert torch.allclose(posed[name], other[name], rtol=1e-9, atol=1e-9), name
        back = data_frames(posed, "pose").from_frame(posed.y, LATER)
        assert torch.allclose(back, data.y, rtol=1e-12, atol=1e-12)
    plain = CanonicalPose(PCAFrame("E(3)"), INPUTS)  # the negative control
    g = Motion(torch.eye(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64), 2.0)
    assert not torch.allclose(plain(moved(data, g)).pos, plain(data).pos, atol=1e-3)


class Net(torch.nn.Module):
    def forward(self, data):
        return (data.pos + data.vel).tanh() + data.charge


def test_stored_frames_give_what_computed_ones_do(systems):
    inputs = {name: INPUTS[name] for name in ("pos", "vel", "charge")}
    model, add = FrameAveraging(Net(), FRAME, inputs, LATER), AddFrames(FRAME, inputs)
    one_by_one = Batch.from_data_list([add(data) for data in systems])
    together = add(Batch.from_data_list(systems))
    for batch in (one_by_one, together, Batch.from_data_list(together.to_data_list())):
        frames = data_frames(batch)
        assert (frames.scale.shape, frames.velocity.shape) == ((3,), (3, 3))
        assert torch.allclose(model(batch, frames=frames), model(batch), rtol=1e-12)
    again = AddFrames(PCAFrame("E(3)"), inputs)(together)  # leaves nothing of the frames before
    assert data_frames(again).scale is None


def test_random_poses(systems):
    pose = CanonicalPose(RandomScaleFrame(PCAFrame("E(3)"), 0.5), INPUTS)
    data = systems[0]
    a, b = pose(data).pos, pose(data).pos
    assert torch.allclose(a / a.norm(), b / b.norm(), rtol=1e-12)
    assert not torch.allclose(a, b, rtol=1e-3)


@pytest.mark.parametrize(
    ("inputs", "what"),
    [
        ({"pos": "point"}, "inputs: expected inputs with a weight scale for R"),
        ({"pos": POINT, "y": "point"}, "scale: expected the same for all points, found pos: 1, y: 0"),
    ],
)
def test_declarations_that_do_not_scale(inputs, what):
    with pytest.raises(ValueError, match=what):
        RandomMotion("Sim(3)", inputs)
