"""Sizes of the batch of a call: numbers of nodes, graphs and edges."""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.data import Batch  # pyright: ignore[reportMissingTypeStubs]

from fa_pyg.batches import check_batch, graph_count
from fa_pyg.calls.call import Call, Name, Named
from fa_pyg.calls.collation import Collation
from fa_pyg.calls.names import BY_NAME, KEPT, is_pairs
from fa_pyg.lazy import cached_property

__all__ = ["Sizes"]


class Sizes(Collation):
    """Sizes of the batch of a call; a base of :class:`~fa_pyg.calls.Layout`, which has its arguments."""

    def __init__(
        self,
        call: Call,
        levels: Named[str] | None = None,
        nodes: Name = "pos",
        whole: bool = False,
        pairs_in_edge_order: bool = False,
    ) -> None:
        self.call = call
        self.levels: dict[Name, str] = {k: v for some in (BY_NAME, levels or {}) for k, v in some.items()}
        self.pairs_in_edge_order = pairs_in_edge_order
        given = call.get("batch")
        self.batch: Tensor | None = call.get(f"{nodes}_batch") if given is None else given
        check_batch(self.batch, "batch" if given is not None else f"{nodes}_batch")
        self._nodes = nodes
        self.num_nodes = self._num_nodes(nodes)
        self.num_graphs = self._num_graphs()
        self.is_strict = whole  # levels must be unambiguous, even for one graph
        if whole and self.batch is None:
            self.batch = torch.zeros(self.num_nodes, dtype=torch.long, device=self._device())

    def _num_nodes(self, nodes: Name) -> int:
        if self.batch is not None:
            return self.batch.size(0)
        given = None if self.call.data is None else self.call.data.num_nodes
        if given is None and not isinstance(self.call.get(nodes), Tensor):
            raise ValueError(
                "num_nodes: expected a number of nodes in the Data, found neither it nor a tensor of nodes"
            )
        return self.call.get(nodes).size(0) if given is None else given

    def _num_graphs(self) -> int:
        if self.batch is None and self.is_collated and self._data.num_graphs > 1:
            raise ValueError(
                "batch: expected the graph of each node, found none: set num_nodes in each Data, then collate"
            )
        if self.batch is None:
            return 1
        if isinstance(self.call.data, Batch):
            self._check_flat()
            return graph_count(self.batch, self.call.data.num_graphs)
        for name in ("num_graphs", "batch_size"):
            if self.call.get(name) is not None:
                return graph_count(self.batch, self.call.get(name), name)
        if isinstance(self.call.get("ptr"), Tensor):
            return graph_count(self.batch, self.call.get("ptr").size(0) - 1, "len(ptr) - 1")
        return graph_count(self.batch)  # a device sync

    def _check_flat(self) -> None:
        """Raise ValueError for a Batch of Batches, which has lost its graphs."""
        if {"batch", "ptr"} & set(getattr(self.call.data, "_slice_dict", None) or ()):
            raise ValueError(
                f"{self.call.holder!r}: expected a Batch of Data, found a Batch of Batches: collate their "
                "graphs, Batch.from_data_list([data for batch in batches for data in batch.to_data_list()])"
            )

    def _device(self) -> torch.device | None:
        tensors = [value for value in self.call.values.values() if isinstance(value, Tensor)]
        return tensors[0].device if tensors else None

    @cached_property
    def edge_name(self) -> Name | None:
        """Name of the edges, ``edge_index`` or the only pairs that are declared as node indices."""
        if self.call.get("edge_index") is not None:
            return "edge_index"
        named = [name for name, level in self.levels.items() if level == "index"]
        pairs = [name for name in named if is_pairs(self.call.get(name))]
        return pairs[0] if len(pairs) == 1 else None

    @cached_property
    def edge_index(self) -> Tensor | None:
        value = None if self.edge_name is None else self.call.get(self.edge_name)
        return value if isinstance(value, Tensor) and value.dim() == 2 and not value.is_sparse else None

    @property
    def sizes(self) -> tuple[int, ...]:
        """The numbers of nodes, graphs and, if there are edges, edges."""
        edges = () if self.edge_index is None else (self.edge_index.size(1),)
        return (self.num_nodes, self.num_graphs, *edges)

    def declared_level(self, name: Name) -> str | None:
        """Return the level of a tensor by declaration, or by a name of this package; else None."""
        kept = self.is_strict and str(name).startswith(KEPT)
        return self.levels.get(name, "shared" if kept else None)
