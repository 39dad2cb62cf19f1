"""Copies of graphs with their nodes in other places."""

from __future__ import annotations

import torch
from torch import Tensor

from fa_pyg.calls.call import Name
from fa_pyg.copies.rows import Selected, pointer
from fa_pyg.frames.rows import Rows

__all__ = ["Permuted"]


class Permuted(Selected):
    """The graphs in the frames of some slots, their nodes in the frames' order and their edges row by row.

    What belongs to places, not to nodes, stays where it is: ``layout.places`` is the graph of each.
    """

    moves_nodes = True

    def incremented(self, value: Tensor, rows: Rows, dim: int, steps: Tensor, name: Name) -> Tensor:
        """As :meth:`shifted`; what counts as many a graph as it has nodes are node numbers: all, or some.

        Raises:
            ValueError: for numbers of edges, and of two sets of which each has as many as there are nodes.
        """
        nodes = self.source.frames.sizes.to(steps.device)
        counted = steps.flatten(1) if steps.dim() > 1 else steps.unsqueeze(1)
        are_nodes = (counted == nodes.unsqueeze(1)).all(0)
        if bool(are_nodes.all()):
            if len(are_nodes) > 1:
                raise ValueError(
                    f"{name!r}: expected a __inc__ of nodes and of another set, found two sets that have "
                    "as many in every graph"
                )
            return self.node_index(value, rows, dim)
        self._check_no_edges(counted[:, ~are_nodes], name)
        plain = self.shifted(value, rows, dim, steps)
        if not bool(are_nodes.any()):
            return plain
        where = are_nodes.view(steps.shape[1:]).to(value.device)  # broadcasts as what collation adds
        numbers = torch.where(where, value, -1)
        return torch.where(where, self.node_index(numbers, rows, dim), plain)

    def local_index(self, value: Tensor, rows: Rows, dim: int = 0) -> Tensor:
        starts = self.layout.node_slices.to(value.device)
        shape = [-1 if axis == dim % value.dim() else 1 for axis in range(value.dim())]
        numbers = value + starts[:-1][rows.bodies(value.device)].view(shape)
        moved = self.node_index(torch.where(value < 0, -1, numbers), rows, dim)
        first = pointer(starts.diff()[self.graphs.to(starts.device)])
        return torch.where(moved < 0, -1, moved - first[self.owner(rows)].view(shape))

    def _check_no_edges(self, counted: Tensor, name: Name) -> None:
        """Numbers of edges, which are sorted in the copy, would go astray."""
        if self.layout.edge_index is None:
            return
        edges = torch.bincount(self.layout.edges.body, minlength=len(counted)).to(counted.device)
        if bool((counted == edges.unsqueeze(1)).all(0).any()):
            raise ValueError(
                f"{name!r}: expected numbers of nodes, or of what keeps its order, found numbers of edges, "
                "which are sorted where nodes are permuted"
            )

    def matrix(self, value: Tensor) -> Tensor:
        """A dense matrix of all nodes, in one slot that all graphs have."""
        row = self._find(self.layout.nodes)[0]
        return value.index_select(0, row).index_select(1, row)
