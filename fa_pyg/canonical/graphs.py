"""Simple colored graphs, concatenated: the input of the labelling."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from fa_pyg.canonical.integers import flatnonzero, ragged_arange, run_starts

__all__ = ["Graphs", "cells"]

TABLE = 2**9  # up to so many nodes arcs are looked up in a table of all pairs


@dataclass(frozen=True)
class Graphs:
    """Simple colored graphs, concatenated; the reverse of each arc is an arc, too.

    Args:
        sizes: nodes of each graph.
        color: the number of nodes, of all graphs, before the cell of each node, sorted by graph and color.
        row, col: the arcs, sorted.
        kind: the color of each arc; it determines the color of the reverse arc.
        owner: the user's graph that each graph is a part of.
    """

    sizes: Tensor
    color: Tensor
    row: Tensor
    col: Tensor
    kind: Tensor
    owner: Tensor

    def __len__(self) -> int:
        return len(self.color)

    @cached_property
    def first(self) -> Tensor:
        """The first node of each graph."""
        return self.sizes.cumsum(0) - self.sizes

    @cached_property
    def graph(self) -> Tensor:
        """The graph of each node."""
        return torch.repeat_interleave(self.sizes)

    @cached_property
    def offset(self) -> Tensor:
        """The first node of each node's graph. Hashes are made of what is counted from there."""
        return self.first[self.graph]

    @cached_property
    def degree(self) -> Tensor:
        return torch.bincount(self.row, minlength=len(self))

    @cached_property
    def ptr(self) -> Tensor:
        """The first arc of each node, and the number of arcs."""
        return torch.cat([self.degree.new_zeros(1), self.degree.cumsum(0)])

    @cached_property
    def arcs(self) -> Tensor:
        """The number of arcs of each graph."""
        return self.ptr[self.first + self.sizes] - self.ptr[self.first]

    @cached_property
    def key(self) -> Tensor:
        return self.row * len(self) + self.col

    @cached_property
    def plain(self) -> bool:
        """Whether all arcs are of the first kind, and no node has too many for sums in float64."""
        return not bool((self.kind != 0).any() or (self.degree >= 2**17).any())

    @cached_property
    def matrix(self) -> Tensor:
        """The adjacency matrix, sparse."""
        with warnings.catch_warnings():  # that sparse matrices are new
            warnings.simplefilter("ignore", UserWarning)
            ones = torch.ones(len(self.row), dtype=torch.float64)
            return torch.sparse_csr_tensor(self.ptr, self.col, ones, (len(self), len(self)))

    @cached_property
    def table(self) -> Tensor:
        """The number of the arc between any two nodes, -1 where there is none."""
        return torch.full((len(self) ** 2,), -1).scatter_(0, self.key, torch.arange(len(self.row)))

    def colored(self, color: Tensor) -> Graphs:
        """The same graphs with other colors."""
        return replace(self, color=color)

    def find(self, row: Tensor, col: Tensor) -> tuple[Tensor, Tensor]:
        """The index of the arc of each pair of nodes, and whether there is one."""
        wanted = row * len(self) + col
        if not len(self.row):
            return torch.zeros_like(wanted), torch.zeros_like(wanted, dtype=torch.bool)
        if len(self) <= TABLE:
            arc = self.table[wanted]
            return arc.clamp(min=0), arc >= 0
        arc = torch.searchsorted(self.key, wanted).clamp_(max=len(self.row) - 1)
        return arc, self.key[arc] == wanted

    def copies(self, graph: Tensor, color: Tensor) -> Graphs:
        """Copies of some graphs, in this order, with new colors (counted from their first nodes)."""
        sizes, first = self.sizes[graph], self.first[graph]
        shift = sizes.cumsum(0) - sizes - first
        arc, copy = ragged_arange(self.ptr[first], self.arcs[graph])
        row, col = self.row[arc] + shift[copy], self.col[arc] + shift[copy]
        color = color + torch.repeat_interleave(first + shift, sizes)
        return Graphs(sizes, color, row, col, self.kind[arc], self.owner[graph])

    def part(self, node: Tensor, sizes: Tensor, owner: Tensor, inner: Tensor) -> tuple[Graphs, Tensor]:
        """The subgraphs of the nodes ``node``, in this order, and arcs ``inner``; and these arcs, sorted.

        Their colors are those of this batch: ranks that ``cells`` has yet to make colors of.
        """
        number = torch.full((len(self),), -1).scatter_(0, node, torch.arange(len(node)))
        row, col = number[self.row[inner]], number[self.col[inner]]
        order = (row * len(node) + col).argsort()
        inner = inner[order]
        return Graphs(sizes, self.color[node], row[order], col[order], self.kind[inner], owner), inner


def cells(rank: Tensor) -> Tensor:
    """The colors of :class:`Graphs`: how many nodes have a lower rank. Ranks grow from graph to graph."""
    order = rank.argsort(stable=True)
    head = run_starts(rank[order])
    return torch.empty_like(order).scatter_(0, order, flatnonzero(head)[head.cumsum(0) - 1])
