"""Frames of a Data or Batch: computed, stored, or applied, for every kind of group."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from fa_pyg.builders import Cloud, Frame
from fa_pyg.builders.base import as_motions, as_permutations
from fa_pyg.builders.graphs import Graphs
from fa_pyg.calls import Call, Layout, MotionReading, Reading
from fa_pyg.copies import Copies
from fa_pyg.frames import Frames, PermutationFrames
from fa_pyg.frames.motion import MotionFrames
from fa_pyg.math.linalg import scatter_sum
from fa_pyg.reps import Rep
from fa_pyg.transforms.declared import DATA_ALONE, Declared, check_levels
from fa_pyg.transforms.orders import store_orders
from fa_pyg.transforms.stored import store_frames
from fa_pyg.typed import total

__all__ = ["Attributes", "heaviest", "skewness"]

TIE = 1e-6  # relative difference below which weights count as equal


class Attributes(ABC):
    """A frame and its reading of a Data or Batch; there is a subclass for each type of value it reads."""

    kinds: ClassVar[dict[type, type[Attributes]]] = {}

    def __init_subclass__(cls, seen: type, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        Attributes.kinds[seen] = cls

    @staticmethod
    def of(frame: Frame, reading: Reading) -> Attributes:
        return Attributes.kinds[frame.seen](frame, reading)

    def __init__(self, frame: Frame, reading: Reading) -> None:
        self.frame, self.reading = frame, reading

    @abstractmethod
    def with_frames(self, data: Data) -> Data:
        """Return the data with its frames as attributes."""

    @abstractmethod
    def in_one_frame(self, data: Data, transform: Any) -> Data:
        """Return the data in one of its frames; warnings are issued once for each ``transform``."""


class _Moved(Attributes, seen=Cloud):
    reading: MotionReading

    def __init__(self, frame: Frame, reading: Reading) -> None:
        super().__init__(frame, reading)
        check_levels(reading.levels)

    def with_frames(self, data: Data) -> Data:
        declared = self._declared(data)
        for name, value in declared.values.items():
            if value.requires_grad:
                raise ValueError(
                    f"{name!r}: expected a tensor without gradient, which stored frames do not carry (forces "
                    "would be wrong), found one that requires it: compute the frames in the model instead"
                )
        with torch.no_grad():
            frames = as_motions(self.frame.evaluate(declared.cloud(self.reading)))
        return store_frames(declared, frames, "frame")

    def in_one_frame(self, data: Data, transform: Any) -> Data:
        declared = self._declared(data)
        declared.warn_undeclared(transform)
        cloud = declared.cloud(self.reading)
        pose = heaviest(as_motions(self.frame.evaluate(cloud)), cloud)
        declared.moved(pose, back=True)
        return store_frames(declared, pose, "pose")

    def _declared(self, data: Data) -> Declared:
        return Declared(data, self.reading.inputs, self.reading.group.dim, self.reading.levels)


class _Reordered(Attributes, seen=Graphs):
    def with_frames(self, data: Data) -> Data:
        return store_orders(data, *self._frames(data), "frame")

    def in_one_frame(self, data: Data, transform: Any) -> Data:
        """Return the data with the nodes of each graph in the order of its first frame, and sorted edges."""
        return next(Copies(*self._frames(data)).slots(1)).run(nn.Identity(), {})

    def _frames(self, data: Data) -> tuple[Layout, PermutationFrames]:
        if not isinstance(data, Data):
            raise ValueError(f"data: expected a Data or Batch, found a {type(data).__name__}")
        layout = self.reading.layout(Call(DATA_ALONE, (data,), {}))
        return layout, as_permutations(self.reading.frames(self.frame, layout))


def heaviest(frames: MotionFrames, cloud: Cloud) -> Frames:
    """Return the frame of largest weight of each body, among equal weights the most skewed."""
    most = frames.weight.new_zeros(frames.num_bodies)
    most = most.scatter_reduce(0, frames.body, frames.weight, "amax").index_select(0, frames.body)
    score = skewness(frames, cloud).masked_fill(frames.weight < (1 - TIE) * most, -torch.inf)
    order = torch.argsort(score, descending=True, stable=True)
    order = order[torch.argsort(frames.body[order], stable=True)]  # sorted by body, then by descending score
    first = order[frames.counts.cumsum(0) - frames.counts]
    pose = Frames.uniform(frames.rotation[first].unsqueeze(0), frames.origin, frames.batch)
    return pose.with_similarity(frames.scale, frames.velocity)


def skewness(frames: MotionFrames, cloud: Cloud) -> Tensor:
    """Return the sum of third moments of the quantities that the axes are computed from, ``[F]``."""
    parts = (_third_moment(frames, *cloud.rows(one), one.rep) for one in cloud.read)
    return total(parts).detach()


def _third_moment(
    frames: MotionFrames, rows: Tensor, index: Tensor | None, weight: Tensor | None, rep: Rep
) -> Tensor:
    cubes = frames.to_frame(rows, rep, index).pow(3).sum(-1)
    row, frame = frames.rows(index, len(rows))
    cubes = cubes if weight is None else cubes * weight.index_select(0, row)
    return scatter_sum(cubes, frame, frames.num_frames)
