"""Transforms of all declared attributes, layers with frames inside, and averages over grids."""

from __future__ import annotations

import torch
from torch import nn
from torch_geometric.nn import SAGEConv

from fa_pyg import LocalFrame, PCAFrame, WeightedPCAFrame
from fa_pyg.nn import FAMLP, FAConv, GridAveraging, LocalFrameConv, radius_graph, smooth_cutoff
from fa_pyg.transforms import AddFrames, CanonicalPose, RandomMotion, data_frames
from hashed import Cases
from hashed.calls import DECLARED, batch, molecules, seeded

__all__ = ["cases"]


def transformed(dtype: torch.dtype) -> list:
    """Random motions, poses and stored frames of single molecules and of a batch."""
    moved = RandomMotion("E(3)", DECLARED, seeded(), scale=2.0)
    found: list = [[moved(data) for data in molecules(dtype)], moved(batch(dtype))]
    for frame in (PCAFrame("E(3)"), WeightedPCAFrame("SE(3)", smoothness="fast")):
        for make in (CanonicalPose, AddFrames):
            transform = make(frame, DECLARED, ["pos", "force"])
            found += [[transform(data) for data in molecules(dtype)], transform(batch(dtype))]
        found += [data_frames(AddFrames(frame, DECLARED)(batch(dtype)))]
        found += [data_frames(CanonicalPose(frame, DECLARED)(batch(dtype)), "pose")]
    return found


def layers() -> list:
    """Layers with frames inside: one MLP, one message-passing layer, one with a frame at each node."""
    data, draw = batch(), seeded()
    edge_index = radius_graph(data.pos, 4.0, data.batch)
    h, v = torch.randn(22, 2, generator=draw).double(), data.spin
    found: list = [edge_index]
    for frame in (PCAFrame("O(3)"), WeightedPCAFrame("SO(3)", smoothness="fast")):
        found += [FAMLP(frame, 2, 4, 5, 6, 16).double()(h, v, batch=data.batch)]
        conv = FAConv(SAGEConv(14, 9), frame, 2, 4, 3, 2).double()
        found += [conv(h, v, edge_index, batch=data.batch)]
        weight = smooth_cutoff(data.pos[edge_index[0]] - data.pos[edge_index[1]], 4.0)
        frames = LocalFrame(frame)(data.pos, edge_index, edge_weight=weight)
        conv = LocalFrameConv({"scalar": 2, "vector": 4}, {"scalar": 3, "tensor": 2}).double()
        features = {"scalar": h, "vector": v}
        found += [weight, frames, conv(features, data.pos, edge_index, frames, edge_weight=weight)]
    return found


def grid() -> list:
    conv = nn.Conv2d(3, 4, 3, padding=1).double()
    image = torch.randn(2, 3, 8, 8, generator=seeded()).double()
    return [GridAveraging(conv, group, "scalar", "vector")(image) for group in ("C4", "D4")]


def cases() -> Cases:
    """Yield the cases of this file."""
    for dtype in (torch.float32, torch.float64):
        yield f"transforms/{str(dtype)[6:]}", lambda t=dtype: transformed(t)
    yield "layers/frames inside", layers
    yield "layers/grid", grid
