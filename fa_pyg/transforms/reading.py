"""Base of transforms that compute a frame of the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch_geometric.transforms import BaseTransform

from fa_pyg.builders import Frame
from fa_pyg.calls import Reading
from fa_pyg.calls.declared import NodeWeight
from fa_pyg.reps import RepLike
from fa_pyg.transforms.attributes import Attributes
from fa_pyg.transforms.declared import DATA_ALONE, described

__all__ = ["FrameTransform"]


class FrameTransform(BaseTransform):
    """Base of transforms by a frame, with the declarations of :class:`~fa_pyg.FrameAveraging`."""

    def __init__(
        self,
        frame: Frame,
        inputs: Mapping[str, RepLike] | None = None,
        reads: Sequence[str] | None = None,
        node_weight: NodeWeight = "auto",
        levels: Mapping[str, str] | None = None,
    ) -> None:
        reading = Reading.of(frame, DATA_ALONE, inputs, reads, node_weight, levels)
        self.attributes = Attributes.of(frame, reading)

    @property
    def frame(self) -> Frame:
        return self.attributes.frame

    def __repr__(self) -> str:
        reading = self.attributes.reading
        return f"{type(self).__name__}({self.frame}, {described(reading.inputs, reads=reading.reads)})"
