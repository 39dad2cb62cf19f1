"""Nodes of search trees: partitions of graphs, each with the leaf at the end of some path below it."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from fa_pyg.canonical.divide import pieces
from fa_pyg.canonical.graphs import Graphs
from fa_pyg.canonical.integers import chosen, spans
from fa_pyg.canonical.partition import Partition

__all__ = ["Tree"]


@dataclass(frozen=True)
class Tree:
    """Some tree nodes. Their colours and leaves lie in one line, counted from each graph's first node.

    Args:
        graphs: which they are about.
        graph: of each tree node its graph.
        child: its number among the children of a level.
        score: a hash of its partition; the last bit is 0 where the graph falls into pieces (:meth:`divided`).
        leaf_score: a hash of the graph as the leaf orders it.
        color: the cells.
        leaf: the place of each node at the leaf.
    """

    graphs: Graphs
    graph: Tensor
    child: Tensor
    score: Tensor
    leaf_score: Tensor
    color: Tensor
    leaf: Tensor

    @classmethod
    def roots(cls, graphs: Graphs, graph: Tensor) -> Tree:
        """The roots of some graphs: their own colours."""
        node, _ = spans(graphs.first[graph], graphs.sizes[graph])
        color = (graphs.color - graphs.offset)[node]
        return cls(graphs, graph, graph, graph, graph, color, color)

    @classmethod
    def children(cls, parent: Tree, of: Tensor, node: Tensor, child: Tensor) -> Tree:
        """The children of the tree nodes ``of`` in which ``node`` (counted from the first) is taken out."""
        below = parent.select(of)
        partition = below.partition()
        partition.individualise(below.first + node)
        score = partition.score() & ~1
        return cls(parent.graphs, below.graph, child, score, score, partition.local, partition.local)

    def divided(self) -> Tree:
        """Sets the last bit of the score where all nodes that are not told apart lie in one piece."""
        graphs = self.partition().refined()
        piece = torch.bincount(pieces(graphs), minlength=len(graphs))
        several = torch.bincount(graphs.graph[chosen(piece > 1)], minlength=len(graphs.sizes))
        return replace(self, score=self.score | (several == 1).long())

    def with_leaves(self) -> Tree:
        """Walks down to some leaf below each tree node."""
        leaf = self.partition().descend()
        graphs, child = self.graphs, self.child
        return Tree(graphs, self.graph, child, self.score, leaf.score(), self.color, leaf.local)

    def partition(self) -> Partition:
        """The partitions, each on its own copy of the graph."""
        return Partition(self.graphs.copies(self.graph, self.color))

    @property
    def sizes(self) -> Tensor:
        return self.graphs.sizes[self.graph]

    @property
    def first(self) -> Tensor:
        return self.sizes.cumsum(0) - self.sizes

    def select(self, chosen: Tensor) -> Tree:
        """Some of the tree nodes, by number."""
        node, _ = spans(self.first[chosen], self.sizes[chosen])
        single = (self.graph, self.child, self.score, self.leaf_score)
        return Tree(self.graphs, *(x[chosen] for x in single), self.color[node], self.leaf[node])

    def __add__(self, other: Tree) -> Tree:
        names = [field.name for field in fields(self)][1:]
        return Tree(self.graphs, *(torch.cat([getattr(self, x), getattr(other, x)]) for x in names))
