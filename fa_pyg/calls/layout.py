"""Layout of the batch of a call: its sizes, and the level and graph of the rows of each tensor."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fa_pyg.batches import check_batch, check_edges, graph_count
from fa_pyg.calls.call import Name
from fa_pyg.calls.indices import INDEX_LEVELS, NodeIndices
from fa_pyg.calls.names import KEPT, NODE_NAMES
from fa_pyg.frames.rows import Level, Rows
from fa_pyg.lazy import cached_property
from fa_pyg.typed import cached

__all__ = ["INDEX_LEVELS", "LEVELS", "Layout"]

LEVELS = ("node", "edge", "graph", *INDEX_LEVELS, "shared", "place")
"""Levels that an argument may be declared to have (``levels=``)."""


class Layout(NodeIndices):
    """Sizes of the batch of a call, and the level of each of its tensors.

    Args:
        call: the call.
        levels: the declared level of a name: "node", "edge", "graph", "index" (node indices whose entries
            along the last axis form a separate level, as the pairs of ``edge_label_index``), "node_index"
            (node indices with a row for each node, as the parents in a tree), "shared" (the same for all
            graphs) or "place" (a row for each node that keeps its position when nodes are permuted, as
            ``node_id`` does).
        nodes: the name of a tensor with one row a node, for calls without ``batch``.
        whole: treat a call without ``batch`` as one with a ``batch`` of zeros.
        pairs_in_edge_order: see :meth:`columns`.

    Raises:
        ValueError: if ``batch`` is not a vector of integers, or does not fit the given number of graphs.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.nodes = Rows(Level.NODE, self.batch, self.num_nodes)
        self._rows: dict[Name, Rows] = {}
        self._columns: dict[Name, Rows] = {}

    # ------------------------------------------------------------------------------ levels

    @cached_property
    def graphs(self) -> Rows:
        device = None if self.batch is None else self.batch.device
        body = None if self.batch is None else torch.arange(self.num_graphs, device=device)
        return Rows(Level.GRAPH, body, self.num_graphs)

    @cached
    def edges(self) -> Rows:
        if self.edge_index is None or self.edge_name is None:
            raise ValueError("edge level: expected an argument or attribute `edge_index`, [2, E], found none")
        if self.batch is None:
            return Rows.of(self.edge_index.new_zeros(self.edge_index.size(1)), Level.EDGE)
        if not self.counts_nodes(self.edge_name):  # indices of two sets of nodes: use the slices
            slices = self.slices(self.edge_name, self.edge_index)
            return Rows.of(self.rows_by(slices, self.batch.device), Level.EDGE)
        if len(self.edge_index) == 2:
            check_edges(self.edge_index, self.batch, self.edge_name)
        return Rows.of(self.batch.index_select(0, self.edge_index[0]), Level.EDGE)

    @cached_property
    def places(self) -> Rows:
        """Rows that belong to positions in the order, which stay when nodes are permuted."""
        return Rows(Level.PLACE, self.batch, self.num_nodes)

    def of(self, level: Name) -> Rows:
        """Return the rows of a level, or of an argument of this name."""
        if level in ("node", "edge", "graph", "place"):
            named = {"node": "nodes", "edge": "edges", "graph": "graphs", "place": "places"}
            return getattr(self, named[level])
        value = self.call.get(level)
        rows = self.columns(level, value) if self.holds_indices(level, value) else self.rows(level, value)
        if rows.body is not None:
            return rows
        count = value.size(self.axis(level, value))
        return Rows.of(torch.zeros(count, dtype=torch.long, device=value.device))

    @cached_property
    def nodes_are_graphs(self) -> bool:
        """Whether each graph is a single node, in order."""
        return self.num_nodes == self.num_graphs and (
            self.num_graphs == 1 or self._is_range(self.graph_of_node)
        )

    def _is_range(self, batch: Tensor) -> bool:
        return torch.equal(batch, self.graphs.bodies(batch.device))

    def rows(self, name: Name, value: Tensor) -> Rows:
        """Return the rows of a tensor.

        By the declared level, else by ``<name>_batch`` as in PyG, else by the slices of a collated batch,
        else by :meth:`level`.
        """
        if self.batch is None:
            return self._of_one_graph(name, value)
        if name not in self._rows:
            self._rows[name] = self._of_batch(name, value)
        return self._rows[name]

    def _of_one_graph(self, name: Name, value: Tensor) -> Rows:
        if self.levels.get(name) == "edge":
            return self.edges
        level = Level.NODE if self._may_be_nodes(name, value) else Level.INDEX
        return Rows(level, None, value.size(0) if value.dim() else 1)

    def _of_batch(self, name: Name, value: Tensor) -> Rows:
        declared = self.levels.get(name)
        if declared == "shared":
            return Rows(Level.SHARED, None, value.size(0))
        if declared is not None and declared != "index":
            return self.of("node" if declared == "node_index" else declared)
        pairs = f"{name}_index"
        is_label = declared is None and str(name).endswith("edge_label") and pairs in self.pairs
        if is_label and value.size(0) == self.pairs[pairs].size(
            1
        ):  # whether or not their number is that of the edges
            return self.columns(pairs, self.pairs[pairs])
        followed = self.followed(name, value)
        if followed is not None:
            return followed
        if self.holds_indices(name, value):
            return self.columns(name, value)
        slices = self.slices(name, value)
        if slices is None:
            level = self.level(name, value)
            return Rows(Level.SHARED, None, 1) if level == "shared" else self.of(level)
        step = self.increment(name) if self.has_custom_increment(name) else None
        of_two_sets = step is not None and step.dim() > 0
        return self._sliced(slices) if of_two_sets else self.by_slices(slices, name)

    def _sliced(self, slices: Tensor, device: torch.device | None = None) -> Rows:
        return Rows.of(self.rows_by(slices, self.graph_of_node.device if device is None else device))

    def quantity_rows(self, name: Name, value: Tensor) -> Rows:
        """Return the rows of a declared input, which are nodes only if its name allows it.

        Size alone does not decide: a cell has as many rows as water has atoms, and a set of points with its
        ``<name>_batch`` may match the number of nodes in some batches and not in others.
        """
        rows = self.rows(name, value)
        if rows.level is Level.NODE and not self._may_be_nodes(name, value):
            return Rows(Level.INDEX, rows.body, rows.count)
        return rows

    def _may_be_nodes(self, name: Name, value: Tensor) -> bool:
        has_rows = name == "cell" or str(name).startswith("edge_") or f"{name}_batch" in self.call.values
        level = self.levels.get(name, "graph" if has_rows and name != self._nodes else "node")
        has_size = self.batch is not None or (value.dim() > 0 and value.size(0) == self.num_nodes)
        return level == "node" and has_size

    def by_slices(self, slices: Tensor, name: Name) -> Rows:
        """Return the rows of an attribute with these slices: those of the level with the same slices, if any.

        Raises:
            ValueError: if nodes are permuted, the slices fit both nodes and edges, and the name is ambiguous.
        """
        edges = None
        if self.edge_index is not None and self.edge_name is not None:
            edges = self.slices(self.edge_name, self.edge_index)
        by_level = {"node": self.node_slices, "graph": torch.arange(self.num_graphs + 1), "edge": edges}
        # compared on the CPU
        fits = [
            level for level, those in by_level.items() if those is not None and torch.equal(slices, those)
        ]
        if fits:
            named = "edge" if str(name).startswith("edge_") else "node" if name in NODE_NAMES else None
            unclear = self.is_strict and named is None and {"node", "edge"} <= set(fits)
            if unclear and not self.nodes_are_graphs and not str(name).startswith(KEPT):
                raise ValueError(
                    f"{name!r}: expected a name or levels={{{name!r}: ...}} that tells nodes from edges, "
                    "found as many of both in every graph"
                )
            return self.of(named if named in fits else fits[0])
        return self._sliced(slices)

    def followed(self, name: Name, value: Tensor) -> Rows | None:
        """Return the rows by ``<name>_batch``, as of PyG's ``follow_batch``; None without one."""
        key = f"{name}_batch"
        body = self.call.get(key)
        if self.batch is None or not isinstance(body, Tensor) or name in self.levels or not value.dim():
            return None
        if body.shape == self.batch.shape and torch.equal(body, self.batch):
            return self.nodes if value.size(0) == self.num_nodes else None
        check_batch(body, key)
        if body.size(0) != value.size(0):
            raise ValueError(
                f"{key}: expected the graph of each row, [{value.size(0)}], found [{body.size(0)}]"
            )
        graph_count(body, self.num_graphs, batch_name=key)
        return Rows.of(body)

    def level(self, name: Name, value: Tensor) -> str:
        """Return the level of a tensor: as declared, by its name, or by a size that fits only one level.

        Raises:
            ValueError: if the level is ambiguous, with the counts.
        """
        if name in self.levels:
            return self.levels[name]
        if value.dim() == 0:
            return "shared"
        if name == "cell" and self.is_strict and self.num_graphs == 1:
            return "graph" if value.size(0) == 1 else "shared"
        sizes = {"node": self.num_nodes, "graph": self.num_graphs}
        if self.edge_index is not None:
            sizes["edge"] = self.edge_index.size(1)
        named = "edge" if str(name).startswith("edge_") else "node" if name in NODE_NAMES else None
        if named in sizes and sizes[named] == value.size(0):  # alone: compilers would guard other sizes, too
            return named
        fits = [level for level, size in sizes.items() if size == value.size(0)]
        may_be_indices = fits == ["edge"] and not value.is_floating_point() and named is None
        if (len(fits) == 1 or (fits and self.num_graphs == 1 and not self.is_strict)) and not may_be_indices:
            return fits[0]
        if fits == ["node", "graph"] and self.nodes_are_graphs:
            return "node"
        if name == self._nodes and self.batch is not None and not fits:
            found = f"[{self.num_nodes}] for the {value.size(0)} rows of {name!r}"
            raise ValueError(f"batch: expected the graph of each node, [{value.size(0)}], found {found}")
        counts = ", ".join(f"{size} {level}s" for level, size in sizes.items())
        found = f"found {value.size(0)} rows in a batch of {counts}"
        raise ValueError(
            f"{name!r}: expected rows of one level, {found}: declare "
            f'levels={{{name!r}: "node" | "edge" | "graph" | "index" | "node_index" | "shared"}}'
        )
