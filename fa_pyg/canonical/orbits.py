"""Labels of a batch of graphs: canonical positions of the nodes, orbits of nodes and arcs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fa_pyg.canonical.graphs import Graphs
from fa_pyg.canonical.integers import (
    flatnonzero,
    hash_rows,
    lexsort,
    ragged_arange,
    run_starts,
    sum_by,
    union,
)

__all__ = ["COLLISION", "Labels", "Orbits", "first_alike", "form_hash", "matched"]

COLLISION = "Two different graphs have equal hashes of 64 bits; please report this input"


@dataclass(frozen=True)
class Labels:
    """Canonical position and orbit of each node, and orbit of each arc.

    Args:
        place: the position of each node; the positions of a graph are the range of its nodes.
        node, arc: the first node, and the first arc, of each orbit.
    """

    place: Tensor
    node: Tensor
    arc: Tensor

    @classmethod
    def of_single_nodes(cls, graphs: Graphs) -> Labels:
        """The labels of graphs of a single node each."""
        node = torch.arange(len(graphs))
        return cls(node, node, torch.arange(len(graphs.row)))


class Orbits:
    """The first node and arc of each orbit under the automorphisms that have been verified so far."""

    def __init__(self, graphs: Graphs) -> None:
        self.graphs = graphs
        self.node, self.arc = torch.arange(len(graphs)), torch.arange(len(graphs.row))

    def learn(self, graph: Tensor, node: Tensor, image: Tensor) -> None:
        """Verify an automorphism of each of some graphs, arc by arc, and join the orbits that it connects.

        Args:
            graph: the graphs; one may occur more than once.
            node, image: their nodes, concatenated, and the image of each, counted from 0 in each graph.
        """
        graphs = self.graphs
        sizes, first = graphs.sizes[graph], torch.repeat_interleave(graphs.first[graph], graphs.sizes[graph])
        node, image = node + first, image + first
        arc, own = ragged_arange(graphs.ptr[graphs.first[graph]], graphs.arcs[graph])
        shift = (sizes.cumsum(0) - sizes - graphs.first[graph])[own]
        other, found = graphs.find(image[graphs.row[arc] + shift], image[graphs.col[arc] + shift])
        same = found.all() and torch.equal(graphs.kind[other], graphs.kind[arc])
        if not (same and torch.equal(graphs.color[node], graphs.color[image])):
            raise RuntimeError(COLLISION)
        self.node, self.arc = union(self.node, node, image), union(self.arc, arc, other)

    def insert(self, some: Tensor, known: Orbits) -> None:
        """Insert the orbits of copies of some graphs."""
        graphs = self.graphs
        node, _ = ragged_arange(graphs.first[some], graphs.sizes[some])
        arc, _ = ragged_arange(graphs.ptr[graphs.first[some]], graphs.arcs[some])
        self.node[node], self.arc[arc] = node[known.node], arc[known.arc]


def first_alike(*keys: Tensor) -> Tensor:
    """The first row that equals each row."""
    order = lexsort(*keys)
    head = run_starts(*(key[order] for key in keys))
    return torch.empty_like(order).scatter_(0, order, order[flatnonzero(head)[head.cumsum(0) - 1]])


def form_hash(graphs: Graphs, place: Tensor, color: Tensor) -> Tensor:
    """A hash of each graph with its nodes at their positions: of its arcs and its nodes' colors."""
    total = sum_by(graphs.graph, hash_rows(place, color), len(graphs.sizes))
    arcs = hash_rows(place[graphs.row], place[graphs.col], graphs.kind)
    return total.index_add_(0, graphs.graph[graphs.row], arcs)


def matched(
    place: Tensor, first: Tensor, sizes: Tensor, a: Tensor, b: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Match the nodes of rows a[i] and b[i] by position: i, each node of a[i], and the node of b[i].

    Args:
        place: the positions of the nodes of all rows, concatenated, counted from 0 in each row.
        first, sizes: the beginning and the length of each row.
    """
    here, own = ragged_arange(first[a], sizes[a])
    there, _ = ragged_arange(first[b], sizes[b])
    line = (sizes[a].cumsum(0) - sizes[a])[own]
    at = torch.empty_like(there).scatter_(0, line + place[there], there - first[b][own])
    return own, here - first[a][own], at[line + place[here]]
