"""Which rows of a call's tensors belong to which graph."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Batch

from fa_pyg.copies.call import Call, Name
from fa_pyg.copies.sizes import check_batch, graph_count

__all__ = ["LEVELS", "NODE_NAMES", "Layout"]

LEVELS = ("node", "edge", "graph", "index", "shared", "place")
NODE_NAMES = ("x", "feat", "pos", "z", "node_type", "n_id")  # nodes by convention, as `edge_*` is edges
_BY_NAME = {"node_id": "place"}
_KEPT = ("frame_", "pose_")  # what transforms store: of no use to a model


class Layout:
    """The sizes of a call's batch, and the level of each of its tensors.

    Args:
        call: the call.
        levels: what the caller says of a name: "node", "edge", "graph", "index" (numbers of nodes, counted
            along the last axis), "shared" (the same for all) or "place" (a row for each node, which stays
            where it is when nodes are permuted: that of the name ``node_id``).
        nodes: the name of a tensor with one row a node, for calls without ``batch``.
        whole: give the nodes of a call without ``batch`` one, of one graph.

    Raises:
        ValueError: if ``batch`` is no vector of integers, or does not fit the number of graphs that is given.
    """

    def __init__(
        self,
        call: Call,
        levels: Mapping[Name, str] | None = None,
        nodes: Name = "pos",
        whole: bool = False,
    ) -> None:
        self.call = call
        self.levels = {**_BY_NAME, **(levels or {})}
        self.batch: Tensor | None = call.get("batch")
        check_batch(self.batch)
        self._nodes = nodes
        self.num_nodes = self._num_nodes(nodes)
        self.num_graphs = self._num_graphs()
        self.is_strict = whole  # of one graph, too, no size may leave a choice
        if whole and self.batch is None:
            self.batch = torch.zeros(self.num_nodes, dtype=torch.long, device=self._device())
        self._bodies: dict[Name, Tensor | None] = {}

    def _num_nodes(self, nodes: Name) -> int:
        if self.batch is not None:
            return len(self.batch)
        given = None if self.call.data is None else self.call.data.num_nodes
        return len(self.call.values[nodes]) if given is None else given

    def _num_graphs(self) -> int:
        if self.batch is None and self.is_collated and self.call.data.num_graphs > 1:
            raise ValueError(
                "the Batch has no `batch`: PyG could not tell its nodes, give each Data num_nodes"
            )
        if self.batch is None:
            return 1
        if isinstance(self.call.data, Batch):
            return self.call.data.num_graphs
        for name in ("num_graphs", "batch_size"):
            if self.call.get(name) is not None:
                return graph_count(self.batch, self.call.get(name), name)
        if isinstance(self.call.get("ptr"), Tensor):
            return graph_count(self.batch, len(self.call.get("ptr")) - 1, "len(ptr) - 1")
        return graph_count(self.batch)  # waits for the device

    def _device(self) -> torch.device | None:
        tensors = (value for value in self.call.values.values() if isinstance(value, Tensor))
        return next((value.device for value in tensors), None)

    # ------------------------------------------------------------------------------ levels

    @cached_property
    def edge_index(self) -> Tensor | None:
        value = self.call.get("edge_index")
        if value is None:  # the only numbers of nodes that the caller names
            named = [self.call.get(name) for name, level in self.levels.items() if level == "index"]
            pairs = [x for x in named if isinstance(x, Tensor) and x.dim() == 2 and len(x) == 2]
            value = pairs[0] if len(pairs) == 1 else None
        return value if isinstance(value, Tensor) and value.dim() == 2 and not value.is_sparse else None

    @cached_property
    def graphs(self) -> Tensor:
        """All graphs, ``[B]``."""
        device = None if self.batch is None else self.batch.device
        return torch.arange(self.num_graphs, device=device)

    @cached_property
    def edges(self) -> Tensor | None:
        """The graph of each edge; None where there is one graph, which has no ``batch``."""
        if self.edge_index is None:
            raise ValueError("the edge level needs an argument or attribute `edge_index`, [2, E]")
        return None if self.batch is None else self.batch.index_select(0, self.edge_index[0])

    @cached_property
    def places(self) -> Tensor | None:
        """The graph of each place for a node: another tensor than that of the nodes."""
        return None if self.batch is None else self.batch.clone()

    def of(self, level: str) -> Tensor | None:
        """The graph of each row of a level; None where there is one graph."""
        if level == "place":
            return self.places
        if self.batch is None:
            # Edges have a body of their own: None stands for the one of the nodes, with their weights.
            return self.edge_index.new_zeros(self.edge_index.size(1)) if level == "edge" else None
        return self.edges if level == "edge" else self.graphs if level == "graph" else self.batch

    @cached_property
    def nodes_are_graphs(self) -> bool:
        """Whether the node and the graph level are one and the same."""
        return self.num_nodes == self.num_graphs and (
            self.num_graphs == 1 or torch.equal(self.batch, self.graphs)
        )

    def body(self, name: Name, value: Tensor) -> Tensor | None:
        """The graph of each row of a tensor; None where there is one graph.

        Known by what the caller says of the name, else the slices of a collated batch, else :meth:`level`.
        """
        if self.batch is None:
            return self.of("edge") if self.levels.get(name) == "edge" else None
        if name == "edge_label" and name not in self.levels and "edge_label_index" in self.call.values:
            return self._pairs  # of these pairs, whether they are as many as the edges or not
        if name not in self._bodies:
            said = self.levels.get(name) is not None
            slices = None if said else self.slices(name, value)
            level = self.level(name, value) if slices is None else None
            by_slices = level is None
            self._bodies[name] = self.by_slices(slices, value.device, name) if by_slices else self.of(level)
        return self._bodies[name]

    @cached_property
    def _pairs(self) -> Tensor:
        pairs = self.call.get("edge_label_index")
        return self.batch.index_select(0, pairs[0])

    def said(self, name: Name) -> str | None:
        """What the caller, or a name that the library gives, says of a tensor."""
        kept = self.is_strict and str(name).startswith(_KEPT)
        return self.levels.get(name, "shared" if kept else None)

    def has_nodes(self, name: Name, value: Tensor) -> bool:
        """Whether the rows of a tensor are nodes: for one graph its size may mislead, as a cell's of 3."""
        if self.batch is not None:
            return self.body(name, value) is self.batch
        said = self.levels.get(name, "node" if name != "cell" else "graph")
        return said == "node" and len(value) == self.num_nodes

    def level(self, name: Name, value: Tensor) -> str:
        """The level of a tensor by what the caller says, by its name, or by a size that fits one level only.

        Raises:
            ValueError: if the level is not clear, with the counts.
        """
        if name in self.levels:
            return self.levels[name]
        if value.dim() == 0:
            return "shared"
        if name == "cell" and self.is_strict and self.num_graphs == 1:
            return "graph" if len(value) == 1 else "shared"
        sizes = {"node": self.num_nodes, "graph": self.num_graphs}
        if self.edge_index is not None:
            sizes["edge"] = self.edge_index.size(1)
        fits = [level for level, size in sizes.items() if size == len(value)]
        named = "edge" if str(name).startswith("edge_") else "node" if name in NODE_NAMES else None
        if named in fits:
            return named
        numbers = fits == ["edge"] and not value.is_floating_point() and named is None
        if (len(fits) == 1 or (fits and self.num_graphs == 1 and not self.is_strict)) and not numbers:
            return fits[0]
        if fits == ["node", "graph"] and self.nodes_are_graphs:
            return "node"
        if name == self._nodes and self.batch is not None and not fits:
            found = f"[{self.num_nodes}] for the {len(value)} rows of {name!r}"
            raise ValueError(f"batch: expected the graph of each node, [{len(value)}], found {found}")
        counts = ", ".join(f"{size} {level}s" for level, size in sizes.items())
        raise ValueError(
            f"{name!r} has {len(value)} rows, the batch {counts}: its level is not clear. "
            f'Say it: levels={{{name!r}: "node" | "edge" | "graph" | "index" | "shared"}}'
        )

    # ------------------------------------------------------------------------------ collated batches

    @property
    def is_collated(self) -> bool:
        """Whether the ``Data`` argument is a batch that can be taken apart."""
        return getattr(self.call.data, "_slice_dict", None) is not None

    @cached_property
    def node_slices(self) -> Tensor:
        """Where each graph's nodes begin, on the CPU as all slices of a collated batch."""
        for name in NODE_NAMES:
            slices = self.call.data._slice_dict.get(name)
            if slices is not None and slices[-1] == self.num_nodes:
                return slices
        nodes = self.batch.bincount(minlength=self.num_graphs).cpu()  # waits for the device
        return torch.cat([nodes.new_zeros(1), nodes.cumsum(0)])

    def by_slices(self, slices: Tensor, device: torch.device, name: Name = "") -> Tensor:
        """The graph of each entry of an attribute with these slices.

        Raises:
            ValueError: where nodes are permuted and there are as many edges, and the name does not tell.
        """
        edges = None if self.edge_index is None else self.slices("edge_index", self.edge_index)
        known = {"node": self.node_slices, "graph": torch.arange(self.num_graphs + 1), "edge": edges}
        # without sending them to the device
        fits = [level for level, one in known.items() if one is not None and torch.equal(slices, one)]
        if fits:
            named = "edge" if str(name).startswith("edge_") else "node" if name in NODE_NAMES else None
            unclear = self.is_strict and named is None and {"node", "edge"} <= set(fits)
            if unclear and not self.nodes_are_graphs and not str(name).startswith(_KEPT):
                raise ValueError(
                    f"{name!r}: expected a name or levels={{{name!r}: ...}} that tells nodes from edges, of "
                    "which every graph has as many"
                )
            return self.of(named if named in fits else fits[0])
        rows = torch.arange(int(slices[-1]), device=device)
        return torch.bucketize(rows, slices[1:].to(device), right=True)

    def slices(self, name: Name, value: Any) -> Any:
        """Where each graph's part of an attribute of a collated batch begins; None if that is not known."""
        slices = self.call.data._slice_dict.get(name) if self.is_collated and name in self.call.data else None
        if not isinstance(slices, Tensor) or slices.dim() != 1:
            return slices
        if isinstance(value, Tensor) and value.dim():
            size = value.size(self.dim(name, value))
        else:
            size = len(value) if isinstance(value, list) else None
        return slices if size == slices[-1] else None  # else replaced since

    def dim(self, name: Name, value: Tensor) -> int:
        """The axis along which an attribute of the ``Data`` argument is concatenated (``__cat_dim__``)."""
        dim = self.call.data.__cat_dim__(name, value, self.call.data._store)
        return (dim or 0) % value.dim()
