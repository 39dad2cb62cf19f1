"""Copies of the attributes of a collated ``Batch``, which knows the slices and increments of each."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data
from torch_geometric.utils import is_sparse

from fa_pyg.copies.call import Name
from fa_pyg.copies.layout import Layout
from fa_pyg.copies.rows import Repeated, Selected, pointer, side_by_side

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
        """Returns a collated attribute for the copied graphs."""
        slices, incs = self.layout.slices(name, value), self.source._inc_dict[name]
        copies, slices, incs = self._copy(name, value, slices, incs, self._example[name])
        self._slices[name], self._incs[name] = slices, incs
        return copies

    def data(self, changed: Mapping[Name, Any]) -> Data:
        """Returns the ``Data`` argument with these attributes; a collated batch can still be taken apart."""
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

    def _copy(self, name: Name, value: Any, slices: Any, incs: Any, last: Any) -> tuple[Any, Any, Any]:
        """The value, slices and increments of an attribute; ``last`` is its value in the last graph."""
        if isinstance(slices, Mapping):
            parts = {k: self._copy(k, value[k], slices[k], incs[k], last[k]) for k in value}
            return tuple({k: part[i] for k, part in parts.items()} for i in range(3))
        if isinstance(slices, list):
            parts = [self._copy(name, *each) for each in zip(value, slices, incs, last, strict=True)]
            return tuple([part[i] for part in parts] for i in range(3))
        if is_sparse(value):
            return side_by_side(name, value, self.layout, self.pick), self._pointer(slices), None
        if not isinstance(value, Tensor):
            return [value[g] for g in self.pick.graphs.tolist()], self._pointer(slices), None
        dim, body = self.layout.dim(name, value), self.layout.by_slices(slices, value.device)
        copies = self.pick.rows(value, body, dim)
        added, incs = self._increments(name, incs, last)
        if added is not None:
            owner = self.pick.owner(body, len(body))
            copies = copies + _spread(added.to(value.device), value.dim(), dim).index_select(dim, owner)
        return copies, self._pointer(slices), incs

    def _increments(self, name: Name, incs: Tensor, last: Any) -> tuple[Tensor | None, Tensor]:
        """What to add to each copy (None: nothing), and what its values are then incremented by."""
        graphs = self.pick.graphs
        step = torch.as_tensor(self._example.__inc__(name, last, self._example._store)).to(incs.dtype)
        own = torch.cat([incs.diff(dim=0), step.reshape(1, *incs.shape[1:])])[graphs]
        if not own.any():
            return None, incs[graphs]
        after = own.cumsum(0) - own
        return after - incs[graphs], after

    @cached_property
    def _example(self) -> Data:
        """The last graph: the increments of the others can be told from those of the next."""
        data, slices = copy.copy(self.source), self.source._slice_dict
        data._slice_dict = {k: v for k, v in slices.items() if self.has(k, data.get(k))}
        return data.get_example(self.layout.num_graphs - 1)

    def _pointer(self, slices: Tensor) -> Tensor:
        return pointer(slices.diff(dim=0)[self.pick.graphs])


def _spread(added: Tensor, axes: int, dim: int) -> Tensor:
    """Increments ``[C, ...]`` with the graphs along axis ``dim`` of an attribute of so many axes."""
    added = added.view(len(added), *(1,) * (axes + 1 - added.dim()), *added.shape[1:])
    return added.squeeze(dim + 1).movedim(0, dim)
