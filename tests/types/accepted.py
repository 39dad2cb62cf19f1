# pyright: standard
"""Code of users that a type checker must accept; read by tests/types/check.py, never run."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch_geometric.loader import DataLoader
from torch_geometric.nn import MessagePassing

import fa_pyg
from fa_pyg import (
    AddFrames,
    CanonicalFrame,
    CanonicalPose,
    CosetFrame,
    FAConv,
    FrameAveraging,
    Frames,
    GalileanFrame,
    GroupFrame,
    HaarFrame,
    LearnedFrame,
    LocalFrame,
    PCAFrame,
    PerMode,
    RandomMotion,
    RandomNodeFrame,
    Rep,
    Sample,
    ScaleFrame,
    SpectralFrame,
    WeightedPCAFrame,
    identity_prior,
)
from fa_pyg.builders import Cloud, MotionFrame
from fa_pyg.datasets import XYZ, GRAPH8c, NBody
from fa_pyg.groups import FiniteGroup, Group
from fa_pyg.io import read_xyz
from fa_pyg.loader import InMemoryLoader
from fa_pyg.models import EGNN, FAENet, Potential
from fa_pyg.neighbors import radius_graph
from fa_pyg.testing import assert_equivariant


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, pos: Tensor, z: Tensor | None = None, batch: Tensor | None = None) -> Tensor:
        return self.layer(pos)


pos, vel, batch = torch.randn(8, 3), torch.randn(8, 3), torch.zeros(8, dtype=torch.long)

# Frame averaging: declarations as literals, and as variables of the types that they have.
model = FrameAveraging(Network(), PCAFrame("E(3)"))
y = model(pos, batch=batch)
inputs = {"pos": "point", "vel": "vector"}
levels = {"pos": "node"}
mixed: dict[str, str | Rep] = {"pos": Rep(1, affine=True), "vel": "vector"}
FrameAveraging(Network(), WeightedPCAFrame("SE(3)", smoothness="dynamics"), inputs, "vector", levels=levels)
FrameAveraging(Network(), HaarFrame("O(3)", k=2), mixed, ["scalar", "vector"], reads=["pos"], chunk=2)
FrameAveraging(Network(), Sample(PCAFrame("E(3)"), k=1), {0: "point"}, {"energy": "scalar"})
FrameAveraging(Network(), GroupFrame("Oh"), node_weight=lambda call: call["z"])
FrameAveraging(Network(), PerMode(HaarFrame("E(3)"), PCAFrame("E(3)")), node_weight="z")
FrameAveraging(Network(), GalileanFrame(ScaleFrame(PCAFrame("E(3)"))))
FrameAveraging(Network(), CosetFrame(LearnedFrame("SE(3)", noise=1), "O"))
FrameAveraging(Network(), SpectralFrame())
FrameAveraging(Network(), CanonicalFrame())

# Frames as values.
frames = PCAFrame("E(3)", detach=True)(pos, vel, batch=batch, num_graphs=1)
copies: Tensor = frames.to_frame(pos, "point")
mean: Tensor = frames.average(copies, Rep(1, affine=True), level="node")
size: int = frames.num_bodies + frames.slots + frames.dim
exact: Tensor = frames.exact_for("vector")
loss: Tensor = identity_prior(frames.sample(2))
half = frames.to(torch.float16).detach()
given = Frames(torch.eye(3).expand(2, 3, 3), body=torch.zeros(2, dtype=torch.long))
weights: Tensor = given.weight / given.body.max()
model(pos, batch=batch, frames=given)
orders = RandomNodeFrame(k=3)(torch.zeros(2, 0, dtype=torch.long), num_nodes=4)
places: Tensor = orders.order + orders.weight.sum()
local = LocalFrame(PCAFrame("SO(3)"))(pos, radius_graph(pos, 1.0))
turned: Tensor = local.rotation


# A frame of one's own.
class MyFrame(MotionFrame):
    def build(self, cloud: Cloud) -> Frames:
        rows = cloud.rows(cloud.read[0])[0]
        eye = torch.eye(self.group.dim).expand(cloud.size, -1, -1)
        return Frames(eye.to(rows), origin=cloud.origin(self.group), batch=cloud.batch)


FrameAveraging(Network(), MyFrame("SE(3)"))

# Groups.
group: Group = Group.of("SE(3)")
rotations: Tensor = group.haar(4, torch.Generator(), "cpu", torch.float64)
order: int = FiniteGroup("Oh", 3).order

# Layers, data and transforms.
conv: MessagePassing | FAConv = FAConv(nn.Identity(), PCAFrame("O(3)"), 0, 4, inputs={"edge_attr": "scalar"})
data = NBody(Path("data"), transform=RandomMotion("E(3)", {"pos": "point", "vel": "vector"}))
XYZ("a.xyz", transform=AddFrames(PCAFrame("E(3)"), inputs))
GRAPH8c("data", transform=CanonicalPose(CanonicalFrame()))
for one in DataLoader(data, batch_size=2):
    model(one.pos, batch=one.batch)
for many in InMemoryLoader(data, batch_size=2, shuffle=True):
    model(many.pos.double(), batch=many.batch)
structures = [structure.num_nodes for structure in read_xyz(Path("a.xyz"))]

# Models.
potential = Potential(FAENet(), WeightedPCAFrame("E(3)"), {"energy": "scalar"}, cutoff=5)
energy: Tensor = potential(batch, pos)["energy"]
potential.set_frame("dynamics").save("model.pt")
EGNN(hidden_channels=8)(pos, vel, batch, radius_graph(pos, 1.0))

assert_equivariant(model, {"pos": pos, "batch": batch}, "E(3)", {"pos": "point"}, "vector")
assert_equivariant(model, (pos,), "E(3)")
version: str = fa_pyg.__version__
