"""A level of the search trees of many graphs: children of least score, pruned by automorphisms."""

from __future__ import annotations

import torch
from torch import Tensor

from fa_pyg.canonical.integers import flatnonzero, lexsort, run_starts, union
from fa_pyg.canonical.orbits import COLLISION, Orbits, first_alike, matched
from fa_pyg.canonical.tree import Tree
from fa_pyg.math.ragged import index_within_body

__all__ = ["Level"]

AT_ONCE, MOST = 2**12, 2**21  # nodes and arcs of one graph's children in the first step, and in any step


class Level:
    """The children of some tree nodes: one representative per known orbit of the target cell.

    The children of least score of each graph are kept. If the leaves below two of them have equal scores, the
    permutation from leaf to leaf is verified, arc by arc, to be an automorphism that maps the cells of one
    child to those of the other; then only one of the two is kept. The automorphism maps the parents to each
    other, too, hence all children of one parent to children of the other: a child in the orbit of a visited
    one is never visited. The work for a graph depends on this graph alone.
    """

    def __init__(self, tree: Tree, orbits: Orbits) -> None:
        self.tree, self.orbits, self.cells, self.graphs = tree, orbits, tree.cells, tree.cells.graphs
        own = self.cells.partition
        member = flatnonzero(self.cells.color == self.cells.target()[own])
        self.of, self.node = own[member], member - self.cells.offset[member]
        self.number = torch.full_like(own, -1).scatter_(0, member, torch.arange(len(member)))
        self.label = torch.arange(len(member))
        self.visited = torch.zeros(len(member), dtype=torch.bool)
        self.weight = (self.graphs.sizes + self.graphs.arcs)[tree.graph[self.of]]

    def explore(self) -> Tree:
        """Return the children of least score: one of each class under the automorphisms that were found."""
        kept, round_ = None, 0
        while len(child := self._next(round_)):
            self.visited[child] = True
            fresh = Tree.children(self.tree, self.of[child], self.node[child], child)
            fresh = self._best(fresh, kept, even=True).divided()
            fresh = self._best(fresh, kept).with_leaves()
            kept = fresh if kept is None else self._best(kept, fresh) + fresh
            kept = self._prune(kept)
            round_ += 1
        if kept is None:
            raise ValueError("tree: expected nodes with children, found none")
        return kept

    def _next(self, round_: int) -> Tensor:
        """Some children of each graph that are in no orbit of a visited child; more from round to round."""
        seen = torch.zeros_like(self.visited)
        seen[self.label[self.visited]] = True
        child = flatnonzero((self.label == torch.arange(len(self.label))) & ~seen)
        graph, weight = self.tree.graph[self.of[child]], self.weight[child]
        quota = (AT_ONCE // weight).clamp(min=4) * 4 ** min(round_, 10)
        quota = quota.minimum((MOST // weight).clamp(min=1))
        return child[
            index_within_body(graph, torch.bincount(graph, minlength=len(self.graphs.sizes))) < quota
        ]

    def _best(self, tree: Tree, other: Tree | None, even: bool = False) -> Tree:
        """The nodes of ``tree`` with the least score of both trees; ``even`` ignores the last bit."""
        best = torch.full_like(self.graphs.sizes, torch.iinfo(torch.int64).max)
        for some in (tree,) if other is None else (tree, other):
            best.scatter_reduce_(0, some.graph, some.score & ~1 if even else some.score, "amin")
        return tree.select(flatnonzero(tree.score == best[tree.graph]))

    def _prune(self, tree: Tree) -> Tree:
        """Keep one of the tree nodes that automorphisms map to each other."""
        order = lexsort(tree.graph, tree.leaf_score)
        head = run_starts(tree.graph[order], tree.leaf_score[order])
        twin, first = order[~head], order[flatnonzero(head)[head.cumsum(0) - 1]][~head]
        count = 1
        while len(twin):  # few automorphisms generate the others
            some = index_within_body(tree.graph[twin], torch.bincount(tree.graph[twin])) < count
            self._learn(tree, twin[some], first[some])
            apart = flatnonzero(self.label[tree.child[twin]] != self.label[tree.child[first]])
            twin, first, count = twin[apart], first[apart], count * 2
        label = self.label[tree.child]
        return tree.select(flatnonzero(first_alike(label) == torch.arange(len(label))))

    def _learn(self, tree: Tree, a: Tensor, b: Tensor) -> None:
        """Verify the automorphisms from the leaves of ``a`` to those of ``b``, and join the orbits."""
        cells, above = tree.cells, self.cells
        own, node, image = matched(tree.leaf, cells.first, cells.sizes, a, b)
        here, there = cells.first[a][own] + node, cells.first[b][own] + image
        of, to = self.of[tree.child[a]], self.of[tree.child[b]]
        parent, other = above.first[of][own] + node, above.first[to][own] + image
        if not (
            torch.equal(cells.color[here], cells.color[there])
            and torch.equal(above.color[parent], above.color[other])
        ):
            raise RuntimeError(COLLISION)
        self.orbits.learn(tree.graph[a], node, image)
        member = flatnonzero(self.number[parent] >= 0)
        self.label = union(self.label, self.number[parent[member]], self.number[other[member]])
