"""Copies of the attributes of a collated ``Batch``, which knows the slices and increments of each."""

from __future__ import annotations

import copy
import functools
import operator
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import is_sparse

from fa_pyg.calls.call import Name
from fa_pyg.calls.layout import NUMBERS, Layout
from fa_pyg.copies.rows import Repeated, Selected, pointer, side_by_side
from fa_pyg.frames import Rows

__all__ = ["Collated"]


class Collated:
    """Copies what PyG collated, by the batch's ``__cat_dim__`` and ``__inc__``, so that it can be separated.

    Args:
        layout: of the source batch.
        pick: which graphs to copy.
    """

    def __init__(self, layout: Layout, pick: Repeated | Selected) -> None:
        self.layout, self.pick, self.source = layout, pick, layout.call.data
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

    def data(self, changed: Mapping[Name, Any]) -> Data:
        """Return the ``Data`` argument with these attributes; a collated batch can still be taken apart."""
        data = copy.copy(self.source)
        for name, value in changed.items():
            if name in data:
                data[name] = value
        if not self.layout.is_collated:
            return data
        for name in changed:  # those in a frame: copied already
            if name not in self._slices and self.has(name, self.source.get(name)):
                self._slices[name] = self._pointer(self.layout.slices(name, self.source[name]))
                self._incs[name] = torch.zeros(len(self.pick.graphs), dtype=torch.long)
        data._num_graphs, data._slice_dict, data._inc_dict = len(self.pick.graphs), self._slices, self._incs
        if hasattr(self.source._store, "_num_nodes"):
            data._store._num_nodes = [self.source._store._num_nodes[g] for g in self.pick.graphs.tolist()]
        return data

    def _copy(self, path: tuple, value: Any, slices: Any, incs: Any) -> tuple[Any, Any, Any]:
        """The value, slices and increments of an attribute, or of a part of one in a dict or list."""
        if isinstance(slices, (Mapping, list)):
            keys = list(slices) if isinstance(slices, Mapping) else range(len(slices))
            parts = {k: self._copy((*path, k), value[k], slices[k], incs[k]) for k in keys}
            columns = ({k: part[i] for k, part in parts.items()} for i in range(3))
            return tuple(c if isinstance(slices, Mapping) else list(c.values()) for c in columns)
        name = next(key for key in reversed(path) if isinstance(key, str))
        if is_sparse(value):
            return side_by_side(name, value, self.layout, self.pick), self._pointer(slices), None
        if not isinstance(value, Tensor):
            return [value[g] for g in self.pick.graphs.tolist()], self._pointer(slices), None
        dim, steps = self.layout.dim(name, value), None if incs is None else self._steps(name, path, incs)
        rows = self._rows(path, value, slices, steps)
        if steps is None:
            is_local = self.layout.is_numbers(name, value)  # to which collation has added nothing
            copies = (self.pick.local_index if is_local else self.pick.gather)(value, rows, dim)
            incs = incs if incs is None else incs[self.pick.graphs]
        else:
            # Which of these are node numbers tells the name, or that they count as many as there are nodes.
            counts_nodes = self.pick.moves_nodes and self.layout.levels.get(name) in (
                None,
                *NUMBERS,
            )
            shifted = partial(self.pick.incremented, name=name) if counts_nodes else self.pick.shifted
            copies, own = shifted(value, rows, dim, steps), steps[self.pick.graphs]
            incs = own.cumsum(0) - own
        return copies, self._pointer(slices), incs

    def _rows(self, path: tuple, value: Tensor, slices: Tensor, steps: Tensor | None) -> Rows:
        """The rows of an attribute; node indices in a dict or list have rows of their own."""
        name = path[-1]
        if len(path) > 1:
            if steps is None:
                return self.layout.by_slices(slices, name)
            return Rows.of(self.layout.rows_by(slices, value.device))
        is_numbers = self.layout.is_numbers(name, value)
        return self.layout.columns(name, value) if is_numbers else self.layout.rows(name, value)

    def _steps(self, name: str, path: tuple, incs: Tensor) -> Tensor | None:
        """What each graph adds to the values of those that follow it ``[B, ...]``; None for nothing."""
        if type(self.source).__inc__ is Data.__inc__ and "batch" not in name:  # PyG's own rule, by name
            return self.layout.node_slices.diff() if "index" in name or name == "face" else None
        last = self.layout.last_graph
        value = functools.reduce(operator.getitem, path, last)
        step = torch.as_tensor(last.__inc__(name, value, last._store)).to(incs.dtype)
        steps = torch.cat([incs.diff(dim=0), step.reshape(1, *incs.shape[1:])])
        return steps if steps.any() else None

    def _pointer(self, slices: Tensor) -> Tensor:
        return pointer(slices.diff(dim=0)[self.pick.graphs])
