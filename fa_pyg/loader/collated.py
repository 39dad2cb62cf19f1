"""Select graphs of a collated data set by index arithmetic, without a Python loop over graphs."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad
from torch_geometric.data import Batch, Data
from torch_geometric.data.collate import collate
from torch_geometric.data.separate import separate
from torch_geometric.data.storage import N_KEYS

__all__ = ["CollatedGraphs", "select_graphs"]

Incs = dict[str, Tensor | None]


def select_graphs(data: Data, slices: dict[str, Tensor], ids: Tensor, incs: Incs | None = None) -> Batch:
    """Return the graphs ``ids`` of a collated object as a PyG batch; see :class:`CollatedGraphs`."""
    return CollatedGraphs(data, slices, incs).select(ids)


class CollatedGraphs:
    """Collated graphs, from which batches are selected in any order and any number of times.

    All that does not depend on the selection (sizes, increments by ``__inc__``) is computed once.

    Args:
        data, slices: of an ``InMemoryDataset``, or a PyG ``Batch`` and its ``_slice_dict``.
        incs: increments of the indices: the ``_inc_dict`` of that ``Batch``, None for a data set.
        device: of the graphs and batches.

    Raises:
        ValueError: for heterogeneous graphs, and for nested or sparse attributes.
    """

    def __init__(
        self,
        data: Data,
        slices: dict[str, Tensor] | None,
        incs: Incs | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        if not isinstance(data, Data):
            raise ValueError(f"data: expected Data, found a {type(data).__name__}")
        found: Any = slices
        if slices is None:  # a single graph, in PyG
            data, found, _ = collate(type(data), [data], increment=False, add_batch=False)
        self.slices: dict[str, Tensor] = found
        self.data, self.incs = data, incs
        self._levels: list[_Level] = []
        values = (value for value in data._store.values() if isinstance(value, Tensor))
        self.device = torch.device(device) if device is not None else next(values, torch.empty(0)).device
        self._empty = Batch(_base_cls=type(data))
        self._columns = {key: self._column(key, data[key]) for key in self.slices}
        self._nodes = None
        if data._store.can_infer_num_nodes:
            self._nodes = self._level(pad(self._num_nodes.cumsum(0), (1, 0)))
        self.__dict__.pop("_graphs", None)

    def __len__(self) -> int:
        return next(len(slices) for slices in self.slices.values()) - 1

    def select(self, ids: Tensor) -> Batch:
        """Return the graphs at these positions [B] (on the CPU), equal to ``Batch.from_data_list``."""
        picks = {level: _Selection(level, ids) for level in self._levels}
        batch, batch._slice_dict, batch._inc_dict = copy.copy(self._empty), {}, {}
        for key, column in self._columns.items():
            batch[key], batch._slice_dict[key], batch._inc_dict[key] = column.select(picks[column.level])
        batch._num_graphs = len(ids)
        if "num_nodes" in self.data:
            batch._store._num_nodes = self._num_nodes[ids].tolist()
            batch.num_nodes = sum(batch._store._num_nodes)
        if self._nodes is not None:
            pick = picks[self._nodes]
            batch.batch, batch.ptr = pick.graph, pick.ptr.to(self.device)
        return batch

    def _column(self, key: str, value: Any) -> _Column:
        slices = self.slices[key]
        if isinstance(value, list) and isinstance(slices, Tensor):
            return _Column(value, 0, self._level(slices), None, None)
        if type(value) is not Tensor or value.layout != torch.strided:
            raise ValueError(f"{key}: expected a dense Tensor or a list, found a {type(value).__name__}")
        dim = (self.data.__cat_dim__(key, value, self.data._store) or 0) % value.dim()
        contained = None if self.incs is None else self.incs[key]
        return _Column(value.to(self.device), dim, self._level(slices), self._increments(key), contained)

    def _level(self, slices: Tensor) -> _Level:
        """Return the level of these slices, shared by all attributes with equal slices."""
        for level in self._levels:
            if torch.equal(level.slices, slices):
                return level
        self._levels.append(_Level(slices, self.device))
        return self._levels[-1]

    def _increments(self, key: str) -> Tensor | None:
        """Return the increments of each graph for the indices of later graphs [G, ...], None for zero."""
        if type(self.data).__inc__ is Data.__inc__ and "batch" not in key:
            return self._num_nodes if "index" in key or key == "face" else None
        incs = torch.stack([torch.as_tensor(g.__inc__(key, g[key], g._store)) for g in self._graphs])
        return incs if incs.dim() > 1 or incs.any() else None

    @cached_property
    def _num_nodes(self) -> Tensor:
        if "num_nodes" in self.data:
            return torch.tensor(self.data._store._num_nodes)
        for key in sorted(self.slices, key=lambda key: key not in N_KEYS):
            if (key in N_KEYS or "node" in key) and isinstance(self.data[key], Tensor):
                return self.slices[key].diff()
        return torch.tensor([graph.num_nodes for graph in self._graphs])

    @cached_property
    def _graphs(self) -> list[Data]:
        """All graphs one by one, for the rules of their class; dropped after construction."""
        cls = type(self.data).__bases__[-1] if isinstance(self.data, Batch) else type(self.data)
        decrement = self.incs is not None
        return [separate(cls, self.data, i, self.slices, self.incs, decrement) for i in range(len(self))]


class _Level:
    """The starts and sizes of graphs in the attributes that share these slices."""

    def __init__(self, slices: Tensor, device: torch.device) -> None:
        self.slices, self.sizes, self.starts = slices, slices.diff(), slices[:-1].to(device)
        self.uniform = int(self.sizes[0]) if bool((self.sizes == self.sizes[0]).all()) else None


class _Selection:
    """Selected graphs of a level: sizes, starts in the batch, and indices to gather."""

    def __init__(self, level: _Level, ids: Tensor) -> None:
        self.level, self.host_ids, self.ids = level, ids, ids.to(level.starts.device)
        self.sizes = level.sizes[ids]  # on the CPU, to avoid a device sync
        self.ptr = pad(self.sizes.cumsum(0), (1, 0))

    @cached_property
    def graph(self) -> Tensor:
        """The graph of each element of the batch."""
        graphs = torch.arange(len(self.ids), device=self.ids.device)
        return graphs.repeat_interleave(self.sizes.to(graphs.device), output_size=int(self.ptr[-1]))

    @cached_property
    def index(self) -> Tensor:
        """The position of each element of the batch in the collated tensors."""
        shift = self.level.starts[self.ids] - self.ptr[:-1].to(self.ids.device)
        return torch.arange(len(self.graph), device=self.ids.device) + shift[self.graph]


@dataclass
class _Column:
    """An attribute of all graphs, with its increments, and those that its indices contain already."""

    value: Any
    dim: int
    level: _Level
    incs: Tensor | None
    contained: Tensor | None

    def select(self, pick: _Selection) -> tuple[Any, Tensor, Tensor | None]:
        """Return the values, slices and increments of a batch."""
        if isinstance(self.value, list):
            return [self.value[i] for i in pick.host_ids.tolist()], pick.ptr, None
        if self.incs is None:
            return self._gather(pick), pick.ptr, torch.zeros(len(pick.ids), dtype=torch.long)
        selected = self.incs[pick.host_ids]
        incs = selected.cumsum(0) - selected
        added = incs if self.contained is None else incs - self.contained[pick.host_ids]
        return self._gather(pick).add_(self._spread(added.to(self.value.device), pick.graph)), pick.ptr, incs

    def _gather(self, pick: _Selection) -> Tensor:
        if self.level.uniform is None:
            return self.value.index_select(self.dim, pick.index)
        graphs = self.value.unflatten(self.dim, (len(self.level.sizes), self.level.uniform))
        return graphs.index_select(self.dim, pick.ids).flatten(self.dim, self.dim + 1)

    def _spread(self, incs: Tensor, graph: Tensor) -> Tensor:
        """Expand increments of graphs [B, ...] to elements, broadcast over the other axes."""
        incs = incs.view(len(incs), *(1,) * (self.value.dim() + 1 - incs.dim()), *incs.shape[1:])
        return incs.squeeze(self.dim + 1).movedim(0, self.dim).index_select(self.dim, graph)
