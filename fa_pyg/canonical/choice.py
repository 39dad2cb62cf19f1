"""Where colours and structure do not tell nodes apart, one is chosen: the search."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fa_pyg.canonical.graphs import Graphs
from fa_pyg.canonical.integers import chosen, join, spans
from fa_pyg.canonical.level import MOST, Level, Orbits
from fa_pyg.canonical.orbits import Labels
from fa_pyg.canonical.tree import Tree

__all__ = ["Choice"]

TOO_MANY = 2**24  # nodes and arcs in the partitions that are kept of one graph
TOGETHER = 2**22  # nodes and arcs in the children of several graphs that are looked at together


@dataclass(frozen=True)
class Choice:
    """Graphs in which a node is individualised (or several, until one choice is left), and refined.

    Args:
        before, after: the graphs, and the same with finer colours.
        orbits: what the automorphisms join that map choices to each other.
    """

    before: Graphs
    after: Graphs
    orbits: Orbits

    @classmethod
    def of(cls, graphs: Graphs) -> Choice | None:
        """Returns the choice; None if there is nothing to choose."""
        todo = chosen(graphs.sizes > 1)
        if not len(todo):
            return None
        orbits, color = Orbits(graphs), graphs.color.clone()
        for some in _portions(graphs, todo):
            tree = Tree.roots(graphs, some)
            while len(tree.graph):
                tree = Level(tree, orbits).explore()
                single = torch.bincount(tree.graph, minlength=len(graphs.sizes))[tree.graph] == 1
                done, tree = tree.select(chosen(single)), tree.select(chosen(~single))
                node, own = spans(graphs.first[done.graph], done.sizes)
                color[node] = done.color + graphs.first[done.graph][own]
                _check(tree)
        return cls(graphs, graphs.colored(color), orbits)

    def lift(self, labels: Labels) -> Labels:
        """Returns the labels of ``before`` from those of ``after``."""
        node = torch.arange(len(self.before))
        arc = torch.arange(len(self.before.row))
        return Labels(
            labels.place,
            join(self.orbits.node, node, labels.node),
            join(self.orbits.arc, arc, labels.arc),
        )


def _portions(graphs: Graphs, todo: Tensor) -> tuple[Tensor, ...]:
    """The graphs in portions that fit into memory."""
    sizes, weight = graphs.sizes[todo], (graphs.sizes + graphs.arcs)[todo]
    cost = torch.minimum(sizes * weight, weight.clamp(min=MOST))
    portion = (cost.cumsum(0) - cost) // TOGETHER
    return todo.split(torch.unique_consecutive(portion, return_counts=True)[1].tolist())


def _check(tree: Tree) -> None:
    weight = (tree.graphs.sizes + tree.graphs.arcs)[tree.graph]
    total = torch.zeros_like(tree.graphs.sizes).index_add_(0, tree.graph, weight)
    hard = chosen(total > TOO_MANY)
    if len(hard):
        graph, count = int(tree.graphs.owner[hard[0]]), int((tree.graph == hard[0]).sum())
        raise ValueError(
            f"edge_index: graph {graph} is too hard for colour refinement and individualisation: {count}"
            " choices look alike, and no automorphism between them was found"
        )
