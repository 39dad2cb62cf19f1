"""What is known of a batch of graphs after labelling: places and orbits."""

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
    """Of each node the place (a graph has those of its own nodes), of nodes and arcs the orbit's first."""

    place: Tensor
    node: Tensor
    arc: Tensor

    @classmethod
    def of_single_nodes(cls, graphs: Graphs) -> Labels:
        """Those of graphs of one node each."""
        node = torch.arange(len(graphs))
        return cls(node, node, torch.arange(len(graphs.row)))


class Orbits:
    """The first node and arc of each orbit under the automorphisms that have been verified so far."""

    def __init__(self, graphs: Graphs) -> None:
        self.graphs = graphs
        self.node, self.arc = torch.arange(len(graphs)), torch.arange(len(graphs.row))

    def learn(self, graph: Tensor, node: Tensor, image: Tensor) -> None:
        """Verifies an automorphism of each of some graphs arc by arc, and joins what it maps.

        Args:
            graph: which; one may occur more than once.
            node, image: their nodes in one line, and where each goes, counted from the first of each graph.
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
        """Takes over what is known of copies of some graphs."""
        graphs = self.graphs
        node, _ = ragged_arange(graphs.first[some], graphs.sizes[some])
        arc, _ = ragged_arange(graphs.ptr[graphs.first[some]], graphs.arcs[some])
        self.node[node], self.arc[arc] = node[known.node], arc[known.arc]


def first_alike(*keys: Tensor) -> Tensor:
    """Of each row the first row that equals it."""
    order = lexsort(*keys)
    head = run_starts(*(key[order] for key in keys))
    return torch.empty_like(order).scatter_(0, order, order[flatnonzero(head)[head.cumsum(0) - 1]])


def form_hash(graphs: Graphs, place: Tensor, color: Tensor) -> Tensor:
    """Of each graph a hash of its arcs and of the colours of its nodes, with the nodes in their places."""
    total = sum_by(graphs.graph, hash_rows(place, color), len(graphs.sizes))
    arcs = hash_rows(place[graphs.row], place[graphs.col], graphs.kind)
    return total.index_add_(0, graphs.graph[graphs.row], arcs)


def matched(
    place: Tensor, first: Tensor, sizes: Tensor, a: Tensor, b: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Of the rows a[i] and b[i] of places: i, each node of the one, and the other's node in its place.

    Args:
        place: of the nodes of all rows in one line, counted from 0 in each.
        first, sizes: where each row begins, and its length.
    """
    here, own = ragged_arange(first[a], sizes[a])
    there, _ = ragged_arange(first[b], sizes[b])
    line = (sizes[a].cumsum(0) - sizes[a])[own]
    at = torch.empty_like(there).scatter_(0, line + place[there], there - first[b][own])
    return own, here - first[a][own], at[line + place[here]]
