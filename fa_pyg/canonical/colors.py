"""Reduction of directed multigraphs with loops and colors to simple colored graphs, exact."""

from __future__ import annotations

import torch
from torch import Tensor

from fa_pyg.canonical.graphs import Graphs, cells
from fa_pyg.canonical.integers import flatnonzero, lexsort, ranks, run_starts

__all__ = ["simple_graphs"]


def simple_graphs(edge_index: Tensor, sizes: Tensor, node_color: Tensor, edge_color: Tensor) -> Graphs:
    """Return the simple graphs with the same automorphisms.

    An arc u -> v stands for all edges between u and v: its kind is the rank, within the graph, of the sorted
    list of (color, direction, number of equal edges). The list of a node's loops becomes part of its color.
    """
    graph = torch.repeat_interleave(sizes)
    row, col = edge_index
    color = ranks(graph[row], edge_color)
    there, back = color * 2, (color * 2 + 1)[row != col]
    back_row, back_col = col[row != col], row[row != col]
    row, col, token = torch.cat([row, back_row]), torch.cat([col, back_col]), torch.cat([there, back])
    key, kind = _lists(row * len(graph) + col, token, graph[row])
    row, col = key // max(len(graph), 1), key % max(len(graph), 1)
    kind = _within(kind, graph[row], len(sizes))
    arc, loop = flatnonzero(row != col), flatnonzero(row == col)
    looped = torch.full_like(graph, -1).scatter_(0, row[loop], kind[loop])
    color = cells(ranks(graph, node_color, looped))
    return Graphs(sizes, color, row[arc], col[arc], kind[arc], torch.arange(len(sizes)))


def _lists(key: Tensor, token: Tensor, graph: Tensor) -> tuple[Tensor, Tensor]:
    """The different keys, and the rank of the list of tokens of each; ranks grow from graph to graph."""
    order = lexsort(key, token)
    key, token, graph = key[order], token[order], graph[order]
    run = flatnonzero(run_starts(key, token))  # equal tokens become one, with their count
    number = torch.diff(run, append=torch.tensor([len(key)]))
    key, token, graph = key[run], ranks(token[run], number), graph[run]
    first = flatnonzero(run_starts(key))
    length = torch.diff(first, append=torch.tensor([len(key)]))
    value, count = graph[first], len(key) + 1
    for place in range(int(length.max()) if len(length) else 0):
        longer = flatnonzero(length > place)
        value[longer] = ranks(value[longer] * count + token[first[longer] + place])
    return key[first], ranks(graph[first], length, value)


def _within(rank: Tensor, graph: Tensor, count: int) -> Tensor:
    """Ranks counted from the first one of each graph."""
    low = torch.full((count,), len(rank)).scatter_reduce_(0, graph, rank, "amin")
    return rank - low[graph]
