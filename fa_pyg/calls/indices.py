"""Node indices among the tensors of a call: which tensors hold them, and the rows of their entries."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from fa_pyg.batches import check_batch
from fa_pyg.calls.call import Name
from fa_pyg.calls.names import is_index_name, is_integer, is_pairs, owners, words
from fa_pyg.calls.sizes import Sizes
from fa_pyg.frames.rows import Level, Rows
from fa_pyg.lazy import cached_property

__all__ = ["INDEX_LEVELS", "NodeIndices"]

INDEX_LEVELS = ("index", "node_index")


class NodeIndices(Sizes):
    """Node indices of a call; the base of :class:`~fa_pyg.calls.Layout`, which adds levels."""

    nodes: Rows
    edges: Rows
    _columns: dict[Name, Rows]

    @abstractmethod
    def rows(self, name: Name, value: Tensor) -> Rows:
        """Return the rows of a tensor."""

    def holds_indices(self, name: Name, value: Any) -> bool:
        """Whether a tensor holds node indices: declared, or by PyG's rule for names, or by ``__inc__``."""
        declared = self.levels.get(name)
        if declared is not None or not is_integer(value):
            return declared in INDEX_LEVELS
        return is_index_name(name) or (self.has_custom_increment(name) and self.counts_nodes(name))

    def points(self, name: Name) -> Rows:
        """Return the points that uncollated node indices of this name refer to: the nodes, or another set.

        With ``lig_batch`` in the call, ``lig_edge_index`` refers to the rows of ``lig``, and ``edge_index_t``
        to those of ``x_t``.
        """
        sets = [key for key in self.call.values if str(key).endswith("_batch") and words(key) & words(name)]
        bodies = {key: self.call.get(key) for key in sets if isinstance(self.call.get(key), Tensor)}
        if len(bodies) > 1:
            raise ValueError(
                f"{name!r}: expected indices of one set of points, found {', '.join(map(str, bodies))}"
            )
        for key, body in bodies.items():
            check_batch(body, key)
            if body.shape != self.graph_of_node.shape or not torch.equal(body, self.graph_of_node):
                return Rows.of(body)
        return self.nodes

    @cached_property
    def pairs(self) -> dict[Name, Tensor]:
        """Pairs of nodes besides the edges, such as ``edge_label_index``, by name."""
        indices = {
            k: v for k, v in self.call.values.items() if k != self.edge_name and self.holds_indices(k, v)
        }
        return {k: v for k, v in indices.items() if is_pairs(v) and self.levels.get(k, "index") == "index"}

    def columns(self, name: Name, value: Tensor) -> Rows:
        """Return the rows of the entries of node indices along their axis: separate rows, or the edges.

        With ``pairs_in_edge_order``, pairs that match the edges in number, graph by graph, are framed in the
        order of the edges, so that an output that may belong to either is right for both.
        """
        if self.edge_index is not None and name == self.edge_name:
            return self.edges
        if self.batch is None or self.levels.get(name) == "node_index":
            return self.rows(name, value)
        if name not in self._columns:
            slices = self.slices(name, value)
            by_slices = isinstance(slices, Tensor)
            body = self.rows_by(slices, value.device) if by_slices else None
            if body is None:
                body = owners(self.points(name).bodies(value.device), value, name)
            paired = self.pairs_in_edge_order and name in self.pairs and self.edge_index is not None
            is_edges = paired and torch.equal(body, self.edges.bodies(body.device))
            self._columns[name] = self.edges if is_edges else Rows.of(body)
        return self._columns[name]

    def node_indices(self) -> Iterator[tuple[Name, Tensor, Tensor]]:
        """Yield node indices besides the edges: name, indices ``[k, P]``, graph of each entry ``[P]``."""
        for name, value in self.call.values.items():
            if name == self.edge_name or not self.holds_indices(name, value) or value is None:
                continue
            if self.levels.get(name) != "node_index" and self.points(name).level is Level.NODE:
                value = value.view(1) if not value.dim() else value
                indices = self.within_batch(name, value).movedim(self.axis(name, value), -1)
                rows = indices.unsqueeze(0) if indices.dim() == 1 else indices.flatten(0, -2)
                yield name, rows, self.columns(name, value).bodies(rows.device)

    def within_batch(self, name: Name, value: Tensor) -> Tensor:
        """Return node indices of the batch, offset where collation has left indices within graphs."""
        slices = self.slices(name, value)
        if not isinstance(slices, Tensor) or self.counts_nodes(name):
            return value
        starts = self.node_slices[:-1].repeat_interleave(slices.diff()).to(value.device)
        shape = [-1 if axis == self.dim(name, value) else 1 for axis in range(value.dim())]
        return torch.where(value < 0, -1, value + starts.view(shape))

    def axis(self, name: Name, value: Tensor) -> int:
        """Return the axis of the rows of a tensor; the last one for node indices."""
        if isinstance(self.slices(name, value), Tensor):
            return self.dim(name, value)
        has_columns = self.holds_indices(name, value) and self.levels.get(name) != "node_index"
        return value.dim() - 1 if has_columns else 0
