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
        if not torch.equal(steps.flatten(1).amax(1) if steps.dim() > 1 else steps, nodes):
            return super().incremented(value, index, dim, steps)
        found = []
        for place, (row, _) in zip(self._places, self._slots(index, value.size(dim)), strict=True):
            chosen = value.index_select(dim, row)
            moved = place.index_select(0, chosen.clamp(min=0).flatten()).view(chosen.shape)
            found.append(torch.where(chosen < 0, -1, moved))
        return torch.cat(found, dim)

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
