"""What a transform is told of a frame: where its input is in the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch_geometric.data import Data
from torch_geometric.transforms import BaseTransform

from fa_pyg import checks
from fa_pyg.builders import Frame
from fa_pyg.calls.declared import NodeWeight, check_node_weight, check_reads, declared_reps, first_read
from fa_pyg.frames import Frames
from fa_pyg.reps import RepLike
from fa_pyg.transforms.declared import Declared, check_levels, described
from fa_pyg.transforms.orders import GraphReading

__all__ = ["FrameTransform", "Reading"]


class Reading:
    """A frame and the attributes that it reads, with the defaults of :class:`~fa_pyg.FrameAveraging`."""

    def __init__(
        self,
        frame: Frame,
        inputs: Mapping[str, RepLike] | None,
        reads: Sequence[str] | None,
        node_weight: NodeWeight,
        levels: Mapping[str, str] | None,
    ) -> None:
        self.frame = checks.instance("frame", frame, Frame, 'a frame such as PCAFrame("E(3)")')
        self.inputs = declared_reps(inputs)
        check_levels(levels)
        check_node_weight(node_weight)
        self.reads = first_read(self.inputs) if reads is None else reads
        self.node_weight = node_weight
        self.levels = levels
        check_reads(self.reads, self.inputs)
        self.reads = list(self.reads)

    def declared(self, data: Data) -> Declared:
        return Declared(data, self.inputs, self.frame.group.dim, self.levels)

    def frames(self, declared: Declared) -> Frames:
        return self.frame.evaluate(declared.cloud(self.reads, self.node_weight))


class FrameTransform(BaseTransform):
    """A transform by a frame: what it is made of, and how it is written."""

    def __init__(
        self,
        frame: Frame,
        inputs: Mapping[str, RepLike] | None = None,
        reads: Sequence[str] | None = None,
        node_weight: NodeWeight = "auto",
        levels: Mapping[str, str] | None = None,
    ) -> None:
        if isinstance(frame, Frame) and frame.group.permutes:
            self.reading: Reading | GraphReading = GraphReading(frame, inputs, reads, levels)
        else:
            self.reading = Reading(frame, inputs, reads, node_weight, levels)

    def __repr__(self) -> str:
        told = described(self.reading.inputs, reads=self.reading.reads)
        return f"{type(self).__name__}({self.reading.frame}, {told})"
