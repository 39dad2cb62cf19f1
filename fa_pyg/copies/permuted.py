"""Copies of graphs with their nodes in other places."""

from __future__ import annotations

import torch
from torch import Tensor

from fa_pyg.copies.rows import Selected

__all__ = ["Permuted"]


class Permuted(Selected):
    """The graphs in the frames of some slots, their nodes in the frames' order and their edges row by row.

    What belongs to places, not to nodes, stays where it is: ``layout.places`` is the graph of each.
    """

    def incremented(self, value: Tensor, index: Tensor | None, dim: int, steps: Tensor) -> Tensor:
        # What counts as many a graph as it has nodes are numbers of nodes.
        nodes = self.source.frames.sizes.to(steps.device)
        if steps.shape == nodes.shape and torch.equal(steps, nodes) and dim == value.dim() - 1:
            return self.node_index(value)
        return super().incremented(value, index, dim, steps)

    def matrix(self, value: Tensor) -> Tensor:
        """A dense matrix of all nodes, in one slot that all graphs have."""
        row = self._find(self.layout.batch, len(value))[0]
        return value.index_select(0, row).index_select(1, row)

    def _slots(self, index: Tensor | None, n: int) -> list[tuple[Tensor, Tensor]]:
        frames = self.source.frames
        if index is self.layout.batch:
            return frames.sources_by_slot("node")[self.first : self.last]
        if self.layout.edge_index is not None and index is self.layout.edges:
            return frames.sources_by_slot("edge")[self.first : self.last]
        return super()._slots(index, n)
