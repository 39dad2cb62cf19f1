"""Layout of a call's batch: its sizes, and the level and graph of the rows of each tensor."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from fa_pyg.batches import check_batch, check_edges, graph_count
from fa_pyg.calls.call import Name
from fa_pyg.calls.indices import NUMBERS, NodeIndices
from fa_pyg.calls.names import KEPT, NODE_NAMES
from fa_pyg.frames.rows import Level, Rows

__all__ = ["LEVELS", "NUMBERS", "Layout"]

LEVELS = ("node", "edge", "graph", *NUMBERS, "shared", "place")


class Layout(NodeIndices):
    """The sizes of a call's batch, and the level of each of its tensors.

    Args:
        call: the call.
        levels: what the caller says of a name: "node", "edge", "graph", "index" (node numbers whose entries
            along the last axis are a level of their own, as the pairs of ``edge_label_index``), "node_index"
            (node numbers with a row for each node, as the parents in a tree), "shared" (the same for all) or
            "place" (a row for each node, which stays where it is when nodes are permuted: that of the name
            ``node_id``).
        nodes: the name of a tensor with one row a node, for calls without ``batch``.
        whole: give the nodes of a call without ``batch`` one, of one graph.
        pairs_in_edge_order: see :meth:`columns`.

    Raises:
        ValueError: if ``batch`` is no vector of integers, or does not fit the number of graphs that is given.
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

    @cached_property
    def edges(self) -> Rows:
        if self.edge_index is None:
            raise ValueError("the edge level needs an argument or attribute `edge_index`, [2, E]")
        if self.batch is None:
            return Rows.of(self.edge_index.new_zeros(self.edge_index.size(1)), Level.EDGE)
        if not self.counts_nodes(self.edge_name):  # of two sets of nodes: the slices tell
            slices = self.slices(self.edge_name, self.edge_index)
            return Rows.of(self.rows_by(slices, self.batch.device), Level.EDGE)
        if len(self.edge_index) == 2:
            check_edges(self.edge_index, self.batch, self.edge_name)
        return Rows.of(self.batch.index_select(0, self.edge_index[0]), Level.EDGE)

    @cached_property
    def places(self) -> Rows:
        """The rows of what is indexed by position: they stay where they are when nodes are permuted."""
        return Rows(Level.PLACE, self.batch, self.num_nodes)

    def of(self, level: Name) -> Rows:
        """The rows of a level, or of an argument of this name."""
        if level in ("node", "edge", "graph", "place"):
            named = {"node": "nodes", "edge": "edges", "graph": "graphs", "place": "places"}
            return getattr(self, named[level])
        value = self.call.get(level)
        rows = self.columns(level, value) if self.is_numbers(level, value) else self.rows(level, value)
        if rows.body is not None:
            return rows
        count = value.size(self.axis(level, value))
        return Rows.of(torch.zeros(count, dtype=torch.long, device=value.device))

    @cached_property
    def nodes_are_graphs(self) -> bool:
        """Whether the node and the graph level are one and the same."""
        return self.num_nodes == self.num_graphs and (
            self.num_graphs == 1 or torch.equal(self.batch, self.graphs.body)
        )

    def rows(self, name: Name, value: Tensor) -> Rows:
        """The rows of a tensor.

        Their level is what the caller declares for the name, else that of ``<name>_batch``, as in PyG, else
        that of the slices of a collated batch, else by :meth:`level`.
        """
        if self.batch is None:
            return self._of_one_graph(name, value)
        if name not in self._rows:
            self._rows[name] = self._found(name, value)
        return self._rows[name]

    def _of_one_graph(self, name: Name, value: Tensor) -> Rows:
        if self.levels.get(name) == "edge":
            return self.edges
        level = Level.NODE if self._may_be_nodes(name, value) else Level.INDEX
        return Rows(level, None, len(value) if value.dim() else 1)

    def _found(self, name: Name, value: Tensor) -> Rows:
        declared = self.levels.get(name)
        if declared == "shared":
            return Rows(Level.SHARED, None, len(value))
        if declared is not None and declared != "index":
            return self.of("node" if declared == "node_index" else declared)
        pairs = f"{name}_index"
        is_label = declared is None and str(name).endswith("edge_label") and pairs in self.pairs
        if is_label and len(value) == self.pairs[pairs].size(1):  # as many as the edges or not
            return self.columns(pairs, self.pairs[pairs])
        followed = self.followed(name, value)
        if followed is not None:
            return followed
        if self.is_numbers(name, value):
            return self.columns(name, value)
        slices = self.slices(name, value)
        if slices is None:
            level = self.level(name, value)
            return Rows(Level.SHARED, None, 1) if level == "shared" else self.of(level)
        of_two_sets = self.is_counted(name) and self.increment(name).dim() > 0
        return self._sliced(slices) if of_two_sets else self.by_slices(slices, name)

    def _sliced(self, slices: Tensor, device: torch.device | None = None) -> Rows:
        return Rows.of(self.rows_by(slices, self.batch.device if device is None else device))

    def quantity_rows(self, name: Name, value: Tensor) -> Rows:
        """The rows of a declared input; what need not be nodes is never taken for nodes by its size.

        A cell has as many rows as water has atoms, and a set of points with a ``<name>_batch`` of its own may
        have as many as there are nodes: the others of the batch must not decide that.
        """
        rows = self.rows(name, value)
        if rows.level is Level.NODE and not self._may_be_nodes(name, value):
            return Rows(Level.INDEX, rows.body, rows.count)
        return rows

    def _may_be_nodes(self, name: Name, value: Tensor) -> bool:
        has_rows = name == "cell" or str(name).startswith("edge_") or f"{name}_batch" in self.call.values
        level = self.levels.get(name, "graph" if has_rows and name != self._nodes else "node")
        has_size = self.batch is not None or (value.dim() > 0 and len(value) == self.num_nodes)
        return level == "node" and has_size

    def by_slices(self, slices: Tensor, name: Name) -> Rows:
        """The rows of an attribute with these slices: those of a level where they are that one's.

        Raises:
            ValueError: where nodes are permuted and there are as many edges, and the name does not tell.
        """
        edges = None if self.edge_index is None else self.slices(self.edge_name, self.edge_index)
        known = {"node": self.node_slices, "graph": torch.arange(self.num_graphs + 1), "edge": edges}
        # without sending them to the device
        fits = [level for level, one in known.items() if one is not None and torch.equal(slices, one)]
        if fits:
            named = "edge" if str(name).startswith("edge_") else "node" if name in NODE_NAMES else None
            unclear = self.is_strict and named is None and {"node", "edge"} <= set(fits)
            if unclear and not self.nodes_are_graphs and not str(name).startswith(KEPT):
                raise ValueError(
                    f"{name!r}: expected a name or levels={{{name!r}: ...}} that tells nodes from edges, of "
                    "which every graph has as many"
                )
            return self.of(named if named in fits else fits[0])
        return self._sliced(slices)

    def followed(self, name: Name, value: Tensor) -> Rows | None:
        """The rows that ``<name>_batch`` gives, as PyG's ``follow_batch`` does; else None."""
        key = f"{name}_batch"
        body = self.call.get(key)
        if self.batch is None or not isinstance(body, Tensor) or name in self.levels or not value.dim():
            return None
        if body.shape == self.batch.shape and torch.equal(body, self.batch):
            return self.nodes if len(value) == self.num_nodes else None
        check_batch(body, key)
        if len(body) != len(value):
            raise ValueError(f"{key}: expected the graph of each row, [{len(value)}], found [{len(body)}]")
        graph_count(body, self.num_graphs, batch_name=key)
        return Rows.of(body)

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
            f'Say it: levels={{{name!r}: "node" | "edge" | "graph" | "index" | "node_index" | "shared"}}'
        )
