"""Twins: nodes with the same neighbors, merged into one node."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fa_pyg.canonical.cells import Cells
from fa_pyg.canonical.graphs import Graphs, cells
from fa_pyg.canonical.integers import flatnonzero, hash_rows, lexsort, ranks, run_starts, sum_by, union
from fa_pyg.canonical.orbits import COLLISION, Labels, first_alike

__all__ = ["Twins"]


@dataclass(frozen=True)
class Twins:
    r"""Graphs in which each class of twins is merged into one node.

    Two nodes of a cell are twins if exchanging them is an automorphism. The first of each class is kept, with
    a color for the kind and size of the class, so that automorphisms of the smaller graph extend to the
    whole:

    .. math:: \mathrm{Aut}(G) = \prod_{\text{classes}} S_m \rtimes \mathrm{Aut}(G / \text{twins})

    The order within a class is arbitrary. All arcs from one class to another are in one orbit, and so are all
    arcs within a class.

    Args:
        before, after: the graphs, and the graphs without twins, refined.
        node, arc: the node, and the arc, of ``before`` for each of ``after``.
        first: the first twin of each node of ``before``.
    """

    before: Graphs
    after: Graphs
    node: Tensor
    arc: Tensor
    first: Tensor

    @classmethod
    def of(cls, graphs: Graphs) -> Twins | None:
        """Return the graphs without their twins; None if there are none."""
        first, kind = _classes(graphs)
        own = torch.arange(len(graphs))
        if torch.equal(first, own):
            return None
        _verify(graphs, flatnonzero(first != own), first)
        node = flatnonzero(first == own)
        sizes = sum_by(graphs.graph, (first == own).long(), len(graphs.sizes))
        inner = flatnonzero((first == own)[graphs.row] & (first == own)[graphs.col])
        after, arc = graphs.part(node, sizes, graphs.owner, inner)
        size = torch.bincount(first, minlength=len(graphs))
        after = after.colored(cells(ranks(after.color, kind[node], size[node])))
        return cls(graphs, after.colored(Cells.of(after).refine().places), node, arc, first)

    def lift(self, labels: Labels) -> Labels:
        """Return the labels of ``before`` from those of ``after``."""
        before, own = self.before, torch.arange(len(self.before))
        key = torch.zeros_like(own).scatter_(0, self.node, labels.place)[self.first]
        place = torch.empty_like(own).scatter_(0, key.argsort(stable=True), own)
        node = union(self.first, self.node, self.node[labels.node])
        ends = self.first[before.row], self.first[before.col]
        arc = union(torch.arange(len(before.row)), self.arc, self.arc[labels.arc])
        between, within = flatnonzero(ends[0] != ends[1]), flatnonzero(ends[0] == ends[1])
        arc = union(arc, between, before.find(ends[0][between], ends[1][between])[0])
        arc[within] = within[first_alike(node[before.row[within]])]
        return Labels(place, node, arc)


def _classes(graphs: Graphs) -> tuple[Tensor, Tensor]:
    """The first twin of each node, by hashes of the neighbors, and the kind of twins."""
    row, col, kind = graphs.row, graphs.col, graphs.kind
    local = torch.arange(len(graphs)) - graphs.offset
    around = sum_by(row, hash_rows(local[col], kind), len(graphs))
    order = lexsort(graphs.color, around)
    head = run_starts(graphs.color[order], around[order])
    first = torch.empty_like(order).scatter_(0, order, order[flatnonzero(head)[head.cumsum(0) - 1]])
    # Adjacent nodes are twins if they have the same neighbors except each other.
    arc = flatnonzero((graphs.color[row] == graphs.color[col]) & (row < col))
    u, v, kind = row[arc], col[arc], kind[arc]
    same = around[u] - hash_rows(local[v], kind) == around[v] - hash_rows(local[u], kind)
    same &= graphs.kind[graphs.find(v, u)[0]] == kind
    what = (torch.bincount(first, minlength=len(graphs))[first] > 1).long()
    what[u[same]] = what[v[same]] = kind[same] + 2
    return union(first, u[same], v[same]), what


def _verify(graphs: Graphs, node: Tensor, first: Tensor) -> None:
    """Verify that exchanging each node with its first twin is an automorphism, arc by arc."""
    twin = torch.zeros(len(graphs), dtype=torch.bool)
    twin[node] = True
    arc = flatnonzero(twin[graphs.row])
    row, col = graphs.row[arc], graphs.col[arc]
    other, found = graphs.find(first[row], torch.where(col == first[row], row, col))
    same = found.all() and torch.equal(graphs.kind[other], graphs.kind[arc])
    if not (same and torch.equal(graphs.degree[node], graphs.degree[first[node]])):
        raise RuntimeError(COLLISION)
