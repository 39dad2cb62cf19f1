"""Reading of a call for permutation frames: graphs, with the features of nodes and edges."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fa_pyg.builders import Frame
from fa_pyg.builders.base import as_permutations
from fa_pyg.builders.graphs import Graphs
from fa_pyg.calls.call import Call, Name, Named
from fa_pyg.calls.graphs import graph_layout, read_frames
from fa_pyg.calls.layout import Layout
from fa_pyg.calls.reading import Reading, nested
from fa_pyg.frames import FrameSet, PermutationFrames, Rows
from fa_pyg.reps import Rep, RepLike

__all__ = ["GraphReading"]


class GraphReading(Reading, seen=Graphs):
    """Reading of the graphs of a call, whose nodes are permuted."""

    def reps(self, inputs: Named[RepLike] | None) -> dict[Name, Rep]:
        if inputs:
            raise ValueError(
                f"inputs: expected none for {self.group}, which permutes all tensors of nodes and edges "
                f"(declare these by levels=), found {inputs!r}"
            )
        return {}

    def default_reads(self) -> None:
        return None

    def check_output(self, spec: Any, path: str = "output") -> None:
        if isinstance(spec, Rep):
            if spec.rank or spec.pseudo:
                raise ValueError(
                    f'{path}: expected "scalar", found {spec}: under {self.group} all features of nodes, '
                    "edges and graphs are scalars"
                )
            return
        for key, part in nested(spec):
            self.check_output(part, f"{path}[{key!r}]")

    def layout(self, call: Call, pairs_in_edge_order: bool = False) -> Layout:
        self.check_names(call)
        return graph_layout(call, self.levels, pairs_in_edge_order)

    def frames(self, frame: Frame, layout: Layout, given: FrameSet | None = None) -> PermutationFrames:
        if given is None:
            return read_frames(frame, layout.call, layout, self.reads)
        frames, batch = as_permutations(frame.check(given, layout.num_graphs)), layout.graph_of_node
        same = frames.batch is batch  # then the comparison, a device sync, is not needed
        if not (same or torch.equal(frames.graph_of_node, batch)):
            raise ValueError("frames: expected frames of this batch, found frames of graphs of other sizes")
        edges = 0 if layout.edge_index is None else layout.edge_index.size(1)
        for name in ("edge_color", "edge_orbit"):
            value = getattr(frames, name)
            if value is not None and layout.edge_index is not None and len(value) != edges:
                raise ValueError(f"frames: expected frames of {edges} edges, found {len(value)}")
        return frames.on(batch, layout.edge_index)

    def framed(self, layout: Layout, frames: FrameSet) -> dict[Name, tuple[Tensor, Rows]]:
        return {}  # nodes are permuted when graphs are copied
