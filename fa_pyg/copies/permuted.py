"""Copies of graphs with permuted nodes."""

from __future__ import annotations

import torch
from torch import Tensor

from fa_pyg.builders.base import as_permutations
from fa_pyg.calls.call import Name
from fa_pyg.copies.rows import Selected, pointer
from fa_pyg.frames.rows import Rows

__all__ = ["Permuted"]


class Permuted(Selected):
    """Copies of the graphs in some slots, with nodes in the order of the frame and sorted edges.

    Rows that belong to positions, not to nodes, keep their order (``layout.places``).
    """

    moves_nodes = True

    def incremented(self, value: Tensor, rows: Rows, dim: int, steps: Tensor, name: Name) -> Tensor:
        """Copy values as :meth:`shifted`, where increments equal to the numbers of nodes mark node indices.

        Raises:
            ValueError: for edge indices, and for indices of two sets that both have as many items as nodes.
        """
        nodes = as_permutations(self.source.frames).sizes.to(steps.device)
        counted = steps.flatten(1) if steps.dim() > 1 else steps.unsqueeze(1)
        are_nodes = (counted == nodes.unsqueeze(1)).all(0)
        if bool(are_nodes.all()):
            if len(are_nodes) > 1:
                raise ValueError(
                    f"{name!r}: expected a __inc__ of nodes and of another set, found two sets of the same "
                    "size in every graph"
                )
            return self.node_index(value, rows, dim)
        self._check_no_edges(counted[:, ~are_nodes], name)
        plain = self.shifted(value, rows, dim, steps)
        if not bool(are_nodes.any()):
            return plain
        is_node = are_nodes.view(steps.shape[1:]).to(value.device)  # broadcasts as what collation adds
        indices = torch.where(is_node, value, -1)
        return torch.where(is_node, self.node_index(indices, rows, dim), plain)

    def local_index(self, value: Tensor, rows: Rows, dim: int = 0) -> Tensor:
        starts = self.layout.node_slices.to(value.device)
        shape = [-1 if axis == dim % value.dim() else 1 for axis in range(value.dim())]
        indices = value + starts[:-1][rows.bodies(value.device)].view(shape)
        moved = self.node_index(torch.where(value < 0, -1, indices), rows, dim)
        first = pointer(starts.diff()[self.graphs.to(starts.device)])
        return torch.where(moved < 0, -1, moved - first[self.owner(rows)].view(shape))

    def _check_no_edges(self, counted: Tensor, name: Name) -> None:
        """Raise ValueError for edge indices, which the sorting of edges would invalidate."""
        if self.layout.edge_index is None:
            return
        edges = torch.bincount(self.layout.edges.bodies(counted.device), minlength=len(counted)).to(
            counted.device
        )
        if bool((counted == edges.unsqueeze(1)).all(0).any()):
            raise ValueError(
                f"{name!r}: expected indices of nodes, or of items that keep their order, found indices of "
                "edges, which are sorted when nodes are permuted"
            )

    def matrix(self, value: Tensor) -> Tensor:
        """Return a dense matrix of all nodes with permuted rows and columns, for one slot of all graphs."""
        row = self._sources(self.layout.nodes)[0]
        return value.index_select(0, row).index_select(1, row)
