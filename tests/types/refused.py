# pyright: standard
"""Mistakes of users: a type checker must report each line that is marked; see tests/types/check.py."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fa_pyg import FrameAveraging, Frames, PCAFrame, Rep, Sample, WeightedPCAFrame
from fa_pyg.builders import Cloud, Graphs, MotionFrame, PermutationFrame
from fa_pyg.groups import Group
from fa_pyg.io import read_xyz
from fa_pyg.models import Potential

pos = torch.randn(8, 3)
model = nn.Linear(3, 3)

FrameAveraging(model)  # error
FrameAveraging(PCAFrame("E(3)"), model)  # error
FrameAveraging(model, "E(3)")  # error
FrameAveraging(model, PCAFrame("E(3)"), inputs=["pos"])  # error
FrameAveraging(model, PCAFrame("E(3)"), inputs={"pos": 1})  # error
FrameAveraging(model, PCAFrame("E(3)"), chunk="all")  # error
FrameAveraging(model, PCAFrame("E(3)"), output=3)  # error
PCAFrame()  # error
PCAFrame(3)  # error
PCAFrame("E(3)", detatch=True)  # error
WeightedPCAFrame("E(3)", 0.1, 0.1, None, "fast")  # error
Sample("E(3)")  # error
Rep("vector")  # error
Group.of(3)  # error
frames = PCAFrame("E(3)")(pos)
frames.to_frames(pos)  # error
frames.to_frame(pos, rep=1)  # error
frames.average(pos, level=0)  # error
frames.origin.sum()  # error
count: str = frames.num_bodies  # error
Frames()  # error
Frames(torch.eye(3), weights=torch.ones(1))  # error
Potential(model, frame="forces")  # error
read_xyz(3)  # error


class Wrong(MotionFrame):
    def build(self, cloud: Cloud) -> Tensor:  # error
        return cloud.declared[0].value


class Graph(PermutationFrame):
    def build(self, graphs: Graphs) -> Frames:  # error
        return Frames(graphs.edge_index)
