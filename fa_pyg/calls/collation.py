"""Slices, increments and axes of the attributes of a collated ``Batch``."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from fa_pyg.batches import increments_by_name
from fa_pyg.calls.call import Call, Name
from fa_pyg.calls.names import NODE_NAMES, is_index_name
from fa_pyg.lazy import cached_property
from fa_pyg.typed import is_list

__all__ = ["Collation"]


class Collation:
    """Slices and increments of the ``Data`` argument of a call; the innermost base of a layout."""

    call: Call
    batch: Tensor | None
    num_nodes: int
    num_graphs: int

    @property
    def _data(self) -> Any:
        """The ``Data`` argument; PyG does not declare the slices and increments of a batch."""
        return self.call.data

    @property
    def is_collated(self) -> bool:
        """Whether the ``Data`` argument is a batch that can be separated into its graphs."""
        return getattr(self.call.data, "_slice_dict", None) is not None

    @property
    def graph_of_node(self) -> Tensor:
        """``batch``, for calls that have one; else raise ValueError."""
        if self.batch is None:
            raise ValueError("batch: expected the graph of each node, found none")
        return self.batch

    @cached_property
    def node_slices(self) -> Tensor:
        """Start of the nodes of each graph, on the CPU as all slices of a collated batch."""
        named = [self._data._slice_dict.get(name) for name in NODE_NAMES]
        fits = [slices for slices in named if slices is not None and slices[-1] == self.num_nodes]
        if fits and all(torch.equal(slices, fits[0]) for slices in fits):  # else two sets of points
            return fits[0]
        nodes = self.graph_of_node.bincount(minlength=self.num_graphs).cpu()  # a device sync
        return torch.cat([nodes.new_zeros(1), nodes.cumsum(0)])

    @staticmethod
    def rows_by(slices: Tensor, device: torch.device) -> Tensor:
        """Return the graph of each row of an attribute with these slices."""
        rows = torch.arange(int(slices[-1]), device=device)
        return torch.bucketize(rows, slices[1:].to(device), right=True)

    def increment(self, name: Name) -> Tensor | None:
        """Return the increment (``__inc__``) of an attribute after the last graph of a collated batch."""
        if not isinstance(self.slices(name, self.call.get(name)), Tensor):
            return None
        if increments_by_name(self._data) and "batch" not in str(name):  # PyG's rule for names
            return self.node_slices.diff()[-1] if is_index_name(name) else torch.tensor(0)
        step = self.last_graph.__inc__(name, self.last_graph[name], self.last_graph._store)
        return torch.as_tensor(0 if step is None else step)

    def counts_nodes(self, name: Name) -> bool:
        """Whether collation has offset an attribute by the number of nodes; true if not collated."""
        step = self.increment(name)
        if step is None:
            return True
        incs = self._data._inc_dict[name]
        if incs is None or incs.dim() != 1 or step.dim() != 0:
            return False
        return torch.equal(incs, self.node_slices[:-1]) and bool(step == self.node_slices.diff()[-1])

    def has_custom_increment(self, name: Name) -> bool:
        """Whether the ``__inc__`` of a subclass of ``Data`` offsets an attribute."""
        if not self.is_collated or increments_by_name(self._data):
            return False
        step = self.increment(name)
        return step is not None and bool((step != 0).any())

    @cached_property
    def last_graph(self) -> Any:
        """The last graph of a collated batch; increments of the others are differences of stored ones."""
        data, slices = copy.copy(self._data), self._data._slice_dict
        data._slice_dict = {k: v for k, v in slices.items() if self.slices(k, data.get(k)) is not None}
        return data.get_example(self.num_graphs - 1)

    def slices(self, name: Name, value: Any) -> Any:
        """Return the start of each graph in an attribute of a collated batch; None if unavailable."""
        slices = self._data._slice_dict.get(name) if self.is_collated and name in self._data else None
        if not isinstance(slices, Tensor) or slices.dim() != 1:
            return slices
        if isinstance(value, Tensor) and value.dim():
            size = value.size(self.dim(name, value))
        else:
            size = len(value) if is_list(value) else None
        return slices if size == slices[-1] else None  # else replaced after collation

    def dim(self, name: Name, value: Tensor) -> int:
        """Return the axis along which an attribute of the ``Data`` is concatenated (``__cat_dim__``)."""
        dim = self._data.__cat_dim__(name, value, self._data._store)
        return (dim or 0) % value.dim()
