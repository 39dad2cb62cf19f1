"""Nodes of search trees: partitions of graphs, and a leaf below each."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fa_pyg.canonical.cells import Cells
from fa_pyg.canonical.divide import pieces
from fa_pyg.canonical.graphs import Graphs
from fa_pyg.canonical.integers import flatnonzero

__all__ = ["Tree"]

MANY = 4  # pieces of a graph of n nodes are looked for once it has n / MANY cells


@dataclass(frozen=True)
class Tree:
    """Nodes of the search trees of many graphs.

    Args:
        cells: the partition of each tree node.
        child: the index of each among the children of a level.
        score: a hash of the partition; the last bit is 0 where the graph falls into pieces (:meth:`divided`).
        leaf_score: a hash of the graph in the order of the leaf.
        leaf: the position of each graph node at the leaf, concatenated.
    """

    cells: Cells
    child: Tensor
    score: Tensor
    leaf_score: Tensor
    leaf: Tensor

    @classmethod
    def roots(cls, graphs: Graphs) -> Tree:
        """The roots of the search trees: the graphs in their colors."""
        cells = Cells.of(graphs)
        return cls(cells, cells.graph, cells.graph, cells.graph, cells.color)

    @classmethod
    def children(cls, parent: Tree, of: Tensor, node: Tensor, child: Tensor) -> Tree:
        """The children of the tree nodes ``of`` that individualize ``node`` (counted from the first)."""
        cells = parent.select(of).cells
        cells = cells.individualize(cells.first + node).refine()
        score = cells.score() & ~1
        return cls(cells, child, score, score, cells.color)

    @property
    def graph(self) -> Tensor:
        return self.cells.graph

    def divided(self) -> Tree:
        """Set the last bit of the score where all nodes in cells of two or more lie in one piece.

        It is also set, unchecked, where there are few cells.
        """
        cells, bit = self.cells, torch.ones_like(self.score)
        some = flatnonzero(cells.count * MANY >= cells.sizes)
        if len(some):
            graphs = self.select(some).cells.copies
            piece = torch.bincount(pieces(graphs), minlength=len(graphs))
            bit[some] = (
                torch.bincount(graphs.graph[flatnonzero(piece > 1)], minlength=len(some)) == 1
            ).long()
        return replace(self, score=self.score | bit)

    def with_leaves(self) -> Tree:
        """Descend to a leaf below each tree node."""
        leaf = self.cells.descend()
        return replace(self, leaf_score=leaf.score(), leaf=leaf.color)

    def select(self, some: Tensor) -> Tree:
        """Some of the tree nodes, by their indices."""
        cells, leaf = self.cells.select(some), self.leaf[self.cells.entries(some)]
        return Tree(cells, self.child[some], self.score[some], self.leaf_score[some], leaf)

    def __add__(self, other: Tree) -> Tree:
        a, b = self.cells, other.cells
        cells = Cells(a.graphs, torch.cat([a.graph, b.graph]), torch.cat([a.color, b.color]))
        names = "child", "score", "leaf_score", "leaf"
        return Tree(cells, *(torch.cat([getattr(self, x), getattr(other, x)]) for x in names))
