"""The frames of other libraries, wrapped as frames of this one: the same operator and tests for all."""

from __future__ import annotations

import contextlib
import importlib
import warnings
from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.transforms import NormalizeRotation

from fa_pyg import Frames, MotionFrame
from fa_pyg.builders import Cloud
from fa_pyg.math.linalg import mean

__all__ = ["PeerFrame", "peer_frames"]

Rotations = Callable[[Tensor], Tensor]


class PeerFrame(MotionFrame):
    """What another library calls the frames of one cloud.

    Args:
        group: the group that it is meant for; a translation by the plain centroid is taken out.
        rotations: from a cloud ``[n, d]`` in float64 to the axes of its K frames, in columns, ``[K, d, d]``.
    """

    def __init__(self, group: str, rotations: Rotations) -> None:
        super().__init__(group)
        self.rotations = rotations

    def build(self, cloud: Cloud) -> Frames:
        rows, index, _ = cloud.rows(cloud.read[0])
        with _double():
            found = [self.rotations(rows[index == body]) for body in range(cloud.size)]
        return Frames.uniform(torch.stack(found, 1), mean(rows, index, cloud.size), cloud.batch)


def peer_frames() -> Iterator[tuple[str, PeerFrame]]:
    """Yields name and frame of what is installed, with a line for what is not."""
    yield "PyG NormalizeRotation", PeerFrame("SE(3)", _normalized)
    faenet = _module("faenet.frame_averaging")
    if faenet is not None:
        for method in ("all", "det", "stochastic"):
            yield f"faenet, {method}", PeerFrame("E(3)", _faenet(faenet.frame_averaging_3D, method))
        yield "faenet, se3-all", PeerFrame("SE(3)", _faenet(faenet.frame_averaging_3D, "se3-all"))
        yield "faenet 2D, all", PeerFrame("E(2)", _faenet(faenet.frame_averaging_2D, "all"))
    padded = _module("frame_averaging_pytorch")
    if padded is not None:
        warnings.filterwarnings("ignore", message=".*non-tuple sequence")
        yield "frame-averaging-pytorch", PeerFrame("E(3)", _padded(padded.FrameAverage()))


def _normalized(x: Tensor) -> Tensor:
    # Its rotation is what it does to the unit vectors, passed as normals.
    return NormalizeRotation(sort=True)(Data(pos=x, normal=torch.eye(3))).normal.unsqueeze(0)


def _faenet(frames: Callable, method: str) -> Rotations:
    def rotations(x: Tensor) -> Tensor:
        dim = x.size(1)
        x = torch.nn.functional.pad(x, (0, 3 - dim))  # its plane is that of x and y
        return torch.cat(frames(x, None, method)[2])[:, :dim, :dim].to(x.dtype)

    return rotations


def _padded(model: Callable) -> Rotations:
    k = 8

    def rotations(x: Tensor) -> Tensor:
        _, average = model(x.unsqueeze(0))
        # The average of unit vectors that only one frame has is one axis of this frame.
        pick = torch.eye(k).reshape(1, k, k, 1, 1) * torch.eye(3).reshape(1, 1, 1, 3, 3) * k
        return average(pick.reshape(1, k, 3 * k, 3)).reshape(k, 3, 3).mT

    return rotations


@contextlib.contextmanager
def _double() -> Iterator[None]:
    """float64 also where a library makes tensors of no stated type."""
    kept = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(kept)


def _module(name: str):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(name)
    except ImportError as error:
        print(f"left out: {name.split('.')[0]} ({error})\n")
        return None
