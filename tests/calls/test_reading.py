"""One reading for each kind of frame; a kind without one is an error that names those that have one."""

import pytest
import torch
from torch import nn

from fa_pyg import CanonicalFrame, FrameAveraging, MotionFrame, PCAFrame, PerMode, Sample
from fa_pyg.calls import Call, GraphReading, MotionReading, Reading, Signature


class Net(nn.Module):
    def forward(self, pos, batch=None):
        return pos


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (PCAFrame("E(3)"), MotionReading),
        (Sample(PerMode(PCAFrame("E(3)"), PCAFrame("E(3)"))), MotionReading),
        (CanonicalFrame(), GraphReading),
        (PerMode(Sample(CanonicalFrame()), CanonicalFrame()), GraphReading),
    ],
)
def test_the_reading_is_that_of_the_frame_inside(frame, kind):
    assert type(Reading.of(frame, Signature(Net()))) is kind


def test_a_kind_that_nobody_reads():
    class Strange(MotionFrame):
        seen = int

        def build(self, cloud):
            raise AssertionError("never built")

    with pytest.raises(ValueError, match="frame: expected one that reads Cloud or Graphs, found int"):
        FrameAveraging(Net(), Strange("E(3)"))


def test_declarations_by_position_get_the_names_of_the_model():
    reading = Reading.of(PCAFrame("E(3)"), Signature(Net()), {0: "point"}, [0], levels={0: "node"})
    assert (list(reading.inputs), reading.reads, reading.levels) == (["pos"], ["pos"], {"pos": "node"})
    layout = reading.layout(Call(reading.signature, (torch.randn(4, 3),), {}))
    assert layout.num_nodes == 4
    assert len(reading.frames(PCAFrame("E(3)"), layout).rotation) == 8
