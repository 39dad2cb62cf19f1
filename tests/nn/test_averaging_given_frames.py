"""Frames that are handed to a framed model with its call."""

import pytest
import torch
from helpers import CoordinateMLP

from fa_pyg import FrameAveraging, Frames, HaarFrame, MotionFrame, PCAFrame, Sample

BATCH = torch.tensor([0, 1, 0, 1, 1, 0, 1])


def cloud(**kwargs):
    return torch.randn(7, 3, dtype=torch.float64, **kwargs) * torch.tensor(
        [1.0, 2.0, 3.0], dtype=torch.float64
    )


class Never(MotionFrame):
    def build(self, cloud):
        raise AssertionError("computed again")


def test_they_are_used_and_none_is_computed():
    pos, net = cloud(), CoordinateMLP()
    frames = PCAFrame("E(3)")(pos, batch=BATCH)
    given = FrameAveraging(net, Never("E(3)"), output="vector")
    assert torch.equal(
        given(pos, batch=BATCH, frames=frames),
        FrameAveraging(net, PCAFrame("E(3)"), output="vector")(pos, batch=BATCH),
    )
    with pytest.raises(AssertionError, match="computed again"):
        given(pos, batch=BATCH)
    one = frames.sample(1)
    expected = one.average(net(one.to_frame(pos, "point")), "vector")
    assert torch.allclose(given(pos, batch=BATCH, frames=one), expected)
    alone = PCAFrame("E(3)")(pos)
    assert torch.equal(given(pos, frames=alone), FrameAveraging(net, PCAFrame("E(3)"), output="vector")(pos))


def test_none_is_not_given():
    pos, model = cloud(), FrameAveraging(CoordinateMLP(), PCAFrame("E(3)"), output="vector")
    assert torch.equal(model(pos, frames=None), model(pos))


def test_a_model_with_frames_of_its_own():
    """A number of frames of a film, say: only ``Frames`` are the framed model's."""

    class Film(CoordinateMLP):
        def forward(self, pos, frames):
            return frames * self.layers(pos)

    pos, net = cloud(), Film()
    model = FrameAveraging(net, PCAFrame("E(3)"), output="vector")
    assert torch.allclose(model(pos, frames=2.0), 2 * model(pos, frames=1.0))
    frames = PCAFrame("E(3)")(pos)
    assert torch.allclose(model(pos, 2.0, frames=frames), model(pos, 2.0))
    nested = FrameAveraging(
        FrameAveraging(CoordinateMLP(), PCAFrame("O(3)"), {"pos": "vector"}, "vector"),
        PCAFrame("T(3)"),
        output="vector",
    )
    assert torch.equal(nested(pos, frames=PCAFrame("T(3)")(pos)), nested(pos))  # the outer one's
    assert torch.equal(nested(pos, frames=None), nested(pos))


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (3, "frames: expected fa_pyg.Frames, found a int"),
        (torch.eye(3), "frames: expected fa_pyg.Frames, found a Tensor"),
        (
            Frames(torch.eye(3).expand(3, 3, 3)),
            "expected frames of 2 bodies in 3 dimensions, found .*3 bodies",
        ),
        (
            Frames(torch.eye(2).expand(2, 2, 2)),
            "expected frames of 2 bodies in 3 dimensions, found .*2 dimensions",
        ),
    ],
)
def test_wrong_frames(frames, message):
    with pytest.raises(ValueError, match=message):
        FrameAveraging(CoordinateMLP(), PCAFrame("E(3)"), output="vector")(
            cloud(), batch=BATCH, frames=frames
        )


def test_a_gradient_is_never_lost_in_silence():
    pos, net = cloud().requires_grad_(), CoordinateMLP()
    model = FrameAveraging(net, PCAFrame("E(3)"), output="vector")
    (true,) = torch.autograd.grad(model(pos).sin().sum(), pos)
    (given,) = torch.autograd.grad(model(pos, frames=PCAFrame("E(3)")(pos)).sin().sum(), pos)
    assert torch.allclose(given, true)
    constant = PCAFrame("E(3)")(pos.detach())
    with pytest.raises(
        ValueError, match="frames: expected frames that carry the gradient of 'pos', found none"
    ):
        model(pos, frames=constant)
    with torch.no_grad():
        assert torch.equal(model(pos, frames=constant), model(pos))
    assert model(pos.detach(), frames=constant).requires_grad  # the parameters'
    for frame in (
        PCAFrame("E(3)", detach=True),
        Sample(PCAFrame("E(3)", detach=True)),
    ):  # said to be accepted
        accepted = FrameAveraging(net, frame, output="vector")
        (wrong,) = torch.autograd.grad(accepted(pos, frames=constant).sin().sum(), pos)
        assert (wrong - true).abs().max() > 1e-2 * true.abs().max()
    centered = HaarFrame("E(3)")(pos)  # random axes carry none, but the centroid does
    model(pos, frames=centered)
