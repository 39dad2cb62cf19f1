"""Copies of the attributes of a collated ``Batch``, by their slices and increments."""

from __future__ import annotations

import copy
import functools
import operator
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch_geometric.utils import is_sparse

from fa_pyg.batches import increments_by_name
from fa_pyg.calls.call import Name
from fa_pyg.calls.layout import INDEX_LEVELS, Layout
from fa_pyg.copies.permuted import Permuted
from fa_pyg.copies.rows import Repeated, Selected, pointer, side_by_side
from fa_pyg.frames import Rows

__all__ = ["Collated"]


class Collated:
    """Copier of collated attributes by ``__cat_dim__`` and ``__inc__``; the copy is a collated batch as well.

    Args:
        layout: the layout of the source batch.
        selection: the graphs to copy.
    """

    def __init__(self, layout: Layout, selection: Repeated | Selected) -> None:
        self.layout, self.selection = layout, selection
        self.source: Any = layout.call.data  # PyG does not declare the slices and increments of a batch
        self._slices: dict[Name, Any] = {}
        self._incs: dict[Name, Any] = {}

    def has(self, name: Name, value: Any) -> bool:
        return self.layout.slices(name, value) is not None

    def copied(self, name: Name, value: Any) -> Any:
        """Return a collated attribute for the copied graphs."""
        slices, incs = self.layout.slices(name, value), self.source._inc_dict[name]
        copies, slices, incs = self._copy((name,), value, slices, incs)
        self._slices[name], self._incs[name] = slices, incs
        return copies

    def data(self, changed: Mapping[Name, Any]) -> Any:
        """Return the ``Data`` argument with these attributes; a collated batch stays separable."""
        data = copy.copy(self.source)
        for name, value in changed.items():
            if name in data:
                data[name] = value
        if not self.layout.is_collated:
            return data
        for name in changed:  # framed inputs, already copied
            if name not in self._slices and self.has(name, self.source.get(name)):
                self._slices[name] = self._pointer(self.layout.slices(name, self.source[name]))
                self._incs[name] = torch.zeros(len(self.selection.graphs), dtype=torch.long)
        data._num_graphs, data._slice_dict, data._inc_dict = (
            len(self.selection.graphs),
            self._slices,
            self._incs,
        )
        if hasattr(self.source._store, "_num_nodes"):
            data._store._num_nodes = [
                self.source._store._num_nodes[g] for g in self.selection.graphs.tolist()
            ]
        return data

    def _copy(self, path: tuple[Any, ...], value: Any, slices: Any, incs: Any) -> tuple[Any, Any, Any]:
        """Value, slices and increments of a copied attribute, or of an item of one in a dict or list."""
        if isinstance(slices, (Mapping, list)):
            keys = list(slices) if isinstance(slices, Mapping) else range(len(slices))
            parts = {k: self._copy((*path, k), value[k], slices[k], incs[k]) for k in keys}
            columns = ({k: part[i] for k, part in parts.items()} for i in range(3))
            first, second, third = (c if isinstance(slices, Mapping) else list(c.values()) for c in columns)
            return first, second, third
        name = next(key for key in reversed(path) if isinstance(key, str))
        if is_sparse(value):
            return side_by_side(name, value, self.layout, self.selection), self._pointer(slices), None
        if not isinstance(value, Tensor):
            return [value[g] for g in self.selection.graphs.tolist()], self._pointer(slices), None
        dim, steps = self.layout.dim(name, value), None if incs is None else self._steps(name, path, incs)
        rows = self._rows(path, value, slices, steps)
        if steps is None:
            is_local = self.layout.holds_indices(name, value)  # not offset by collation
            copies = (self.selection.local_index if is_local else self.selection.gather)(value, rows, dim)
            incs = incs if incs is None else incs[self.selection.graphs]
        else:
            # Node indices are recognized by their name, or by increments equal to the numbers of nodes.
            may_count = self.layout.levels.get(name) in (None, *INDEX_LEVELS)
            permuted = self.selection if isinstance(self.selection, Permuted) and may_count else None
            shifted = self.selection.shifted if permuted is None else partial(permuted.incremented, name=name)
            copies, incs = shifted(value, rows, dim, steps), steps[self.selection.graphs]
            incs = incs.cumsum(0) - incs
        return copies, self._pointer(slices), incs

    def _rows(self, path: tuple[Any, ...], value: Tensor, slices: Tensor, steps: Tensor | None) -> Rows:
        """The rows of an attribute; node indices in a dict or list have separate rows."""
        name = path[-1]
        if len(path) > 1:
            if steps is None:
                return self.layout.by_slices(slices, name)
            return Rows.of(self.layout.rows_by(slices, value.device))
        holds_indices = self.layout.holds_indices(name, value)
        return self.layout.columns(name, value) if holds_indices else self.layout.rows(name, value)

    def _steps(self, name: str, path: tuple[Any, ...], incs: Tensor) -> Tensor | None:
        """Increment of each graph ``[B, ...]``; None if all are 0."""
        if increments_by_name(self.source) and "batch" not in name:  # PyG's rule for names
            return self.layout.node_slices.diff() if "index" in name or name == "face" else None
        last = self.layout.last_graph
        value = functools.reduce(operator.getitem, path, last)
        step = torch.as_tensor(last.__inc__(name, value, last._store)).to(incs.dtype)
        steps = torch.cat([incs.diff(dim=0), step.reshape(1, *incs.shape[1:])])
        return steps if steps.any() else None

    def _pointer(self, slices: Tensor) -> Tensor:
        return pointer(slices.diff(dim=0)[self.selection.graphs])
