"""Partitions of graphs into cells, concatenated: individualization, refinement, target cells, scores."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from fa_pyg.canonical.graphs import Graphs
from fa_pyg.canonical.integers import flatnonzero, hash_rows, ragged_arange, run_starts, sum_by
from fa_pyg.canonical.partition import Partition
from fa_pyg.math.ragged import index_within_body

__all__ = ["Cells"]

BITS = 36  # of hashes that are summed or sorted by: exact in float64 for 2^17 neighbors
KIND = 0x3C6EF372FE94F82B  # arbitrary; the first kind of arcs changes nothing
COLORLESS = {"sizes", "first", "partition", "offset", "columns"}  # cached values that colors do not change
ROUNDS = 64  # after so many only changes are propagated


@dataclass(frozen=True)
class Cells:
    """Partitions of the nodes of graphs into cells, concatenated; one graph may have several.

    A cell's color is the number of nodes in the cells before it. Only hashes of the colors around a node are
    compared: two nodes with equal hashes stay in one cell. At worst this leaves a partition too coarse, and
    it does so for every numbering of the nodes alike.

    Args:
        graphs: the graphs.
        graph: the graph of each partition.
        color: the color of each node of each partition, counted from 0 in each partition.
    """

    graphs: Graphs
    graph: Tensor
    color: Tensor

    @classmethod
    def of(cls, graphs: Graphs) -> Cells:
        """The partitions of the graphs by their colors."""
        return cls(graphs, torch.arange(len(graphs.sizes)), graphs.color - graphs.offset)

    @cached_property
    def sizes(self) -> Tensor:
        return self.graphs.sizes[self.graph]

    @cached_property
    def first(self) -> Tensor:
        """The first entry of each partition."""
        return self.sizes.cumsum(0) - self.sizes

    @cached_property
    def partition(self) -> Tensor:
        """The partition of each entry."""
        return torch.repeat_interleave(self.sizes)

    @cached_property
    def offset(self) -> Tensor:
        return self.first[self.partition]

    @property
    def places(self) -> Tensor:
        """The color of each entry, counted through all partitions."""
        return self.color + self.offset

    @cached_property
    def size(self) -> Tensor:
        """The size of each entry's cell."""
        return torch.bincount(self.places)[self.places]

    @cached_property
    def count(self) -> Tensor:
        """The number of cells of each partition."""
        cell = flatnonzero(torch.bincount(self.places) > 0)
        return torch.bincount(self.partition[cell], minlength=len(self.graph))

    @cached_property
    def copies(self) -> Graphs:
        """A copy of a graph for each of its partitions, in the colors of the partition."""
        return self.graphs.copies(self.graph, self.color)

    def entries(self, some: Tensor) -> Tensor:
        """The entries of some of the partitions."""
        return ragged_arange(self.first[some], self.sizes[some])[0]

    def select(self, some: Tensor) -> Cells:
        """Some of the partitions, by their indices."""
        return Cells(self.graphs, self.graph[some], self.color[self.entries(some)])

    def colored(self, color: Tensor) -> Cells:
        """The same graphs with other cells; cached values that do not depend on these are kept."""
        cells = replace(self, color=color)
        kept = {name: value for name, value in vars(self).items() if name in COLORLESS}
        vars(cells).update(kept)
        return cells

    def individualize(self, node: Tensor) -> Cells:
        """Give one node of each partition (by its entry) a cell to itself, behind the rest of its cell."""
        return self.colored(self.color.scatter_add(0, node, self.size[node] - 1))

    def refine(self) -> Cells:
        """Split cells until the nodes of each have equally many neighbors in every cell (1-WL)."""
        color, part, at = self._open()
        state, total = hash_rows(part.color), 0
        while len(part.graph) and total < ROUNDS:
            rounds = max(total, 2)
            for _ in range(rounds):
                state = hash_rows(state, part.around(state))
            finer, total = part.split(state), total + rounds
            finer, state, at = finer.where(finer.count > part.count, state, at)
            color[at] = finer.color
            part, state, at = finer.where(finer.count < finer.sizes, state, at)
        if len(part.graph):
            color[at] = Partition(part.copies).refine_all().local
        return self.colored(color)

    def descend(self) -> Cells:
        """Individualize some node of the target cell, again and again, until each cell is one node."""
        color, part, at = self._open()
        while len(part.graph):
            member = flatnonzero(part.color == part.target()[part.partition])
            node = member[run_starts(part.partition[member])]  # the first of each partition
            part = part.individualize(node).refine()
            color[at] = part.color
            part, at = part.where(part.count < part.sizes, at)
        return self.colored(color)

    @cached_property
    def columns(self) -> tuple[Graphs, Tensor, int]:
        """The layout of all entries in one dense matrix: the graphs of its rows, and the index of each entry.

        There are as many columns as a graph has partitions on average. A graph with more of them has several
        copies in the rows.
        """
        graphs, count = self.graphs, torch.bincount(self.graph, minlength=len(self.graphs.sizes))
        some = flatnonzero(count > 0)
        width = -(-len(self.graph) // len(some))
        times = (count + width - 1) // width
        if not bool((times == 1).all()):
            graph = torch.repeat_interleave(times)
            graphs = graphs.copies(graph, torch.zeros(int(graphs.sizes[graph].sum()), dtype=torch.long))
        rank = index_within_body(self.graph, count)
        copy = (times.cumsum(0) - times)[self.graph] + rank // width
        node = torch.arange(len(self.color)) + (graphs.first[copy] - self.first)[self.partition]
        return graphs, node * width + (rank % width)[self.partition], width

    def around(self, state: Tensor) -> Tensor:
        """The sum, for each entry, of hashes of the neighbors' states and the kinds of the arcs to them."""
        if not len(state):
            return state
        if not self.graphs.plain:
            graphs = self.copies
            value = state[graphs.col] * (graphs.kind * KIND | 1)
            return sum_by(graphs.row, _short(value), len(graphs))
        graphs, at, width = self.columns
        if len(graphs.sizes) == 1:
            value = _short(state).view(width, len(graphs)).double()
            return (graphs.matrix @ value.t()).t().reshape(-1).long()
        value = torch.zeros(len(graphs) * width, dtype=torch.float64)
        value[at] = _short(state).double()
        return (graphs.matrix @ value.view(-1, width)).view(-1)[at].long()

    def split(self, state: Tensor) -> Cells:
        """Split each cell into cells of equal states, ordered by the states."""
        key, count = _short(state), len(self.graph)
        if len(state) == count * int(self.sizes[0]) and bool((self.sizes == self.sizes[0]).all()):
            key, order = (self.color << BITS | key).view(count, -1).sort(dim=1)
            key, order = key.flatten(), order.flatten() + self.offset
        else:
            key, order = (self.places << BITS | key).sort()
        head = run_starts(key)
        head[self.first] = True
        place = torch.arange(len(key)).where(head, 0).cummax(0).values - self.offset
        return self.colored(torch.empty_like(place).scatter_(0, order, place))

    def score(self) -> Tensor:
        """A hash of the cells and arcs of each partition: of the whole graph, if each cell is one node."""
        return sum_by(
            self.partition, hash_rows(self.color, self.around(hash_rows(self.color))), len(self.graph)
        )

    def target(self) -> Tensor:
        """The color, in each partition, of the first of the smallest cells of two or more nodes, or -1."""
        none = torch.iinfo(torch.int64).max
        key = torch.where(self.size > 1, self.size << 32 | self.color, none)
        least = torch.full_like(self.graph, none).scatter_reduce_(0, self.partition, key, "amin")
        return torch.where(least == none, -1, least & (1 << 32) - 1)

    def _open(self) -> tuple[Tensor, Cells, Tensor]:
        """The colors, the partitions in which some cell has several nodes, and the entries of these."""
        part, at = self.where(self.count < self.sizes, torch.arange(len(self.color)))
        return self.color.clone(), part, at

    def where(self, mask: Tensor, *lines: Tensor) -> tuple[Any, ...]:
        """The partitions for which a mask holds, and their entries of some more tensors."""
        if mask.all():
            return self, *lines
        some = flatnonzero(mask)
        node = self.entries(some)
        return Cells(self.graphs, self.graph[some], self.color[node]), *(line[node] for line in lines)


def _short(state: Tensor) -> Tensor:
    """The upper bits of hashes."""
    return state >> (64 - BITS) & (1 << BITS) - 1
