"""Canonical labelling by nauty or bliss, for graphs that are too hard or too large for this package."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

import torch
from torch import Tensor

from fa_pyg import checks
from fa_pyg.canonical.graphs import Graphs
from fa_pyg.canonical.integers import union
from fa_pyg.canonical.orbits import Labels

__all__ = ["BACKENDS", "by_igraph", "by_pynauty", "check_backend", "outside_labels"]

Answer = tuple[list[int], list[list[int]]]  # the vertex at each position, and generators of the automorphisms


def by_pynauty(size: int, pairs: list[list[int]], classes: list[list[int]]) -> Answer:
    """Labels by nauty (McKay and Piperno 2014)."""
    pynauty = import_module("pynauty")
    adjacency: dict[int, list[int]] = {}
    for a, b in pairs:
        adjacency.setdefault(a, []).append(b)
    graph = pynauty.Graph(size, adjacency_dict=adjacency, vertex_coloring=list(map(set, classes)))
    return pynauty.canon_label(graph), pynauty.autgrp(graph)[0]


def by_igraph(size: int, pairs: list[list[int]], classes: list[list[int]]) -> Answer:
    """Labels by bliss (Junttila and Kaski 2007), through igraph."""
    graph, color = import_module("igraph").Graph(size, pairs), [0] * size
    for number, members in enumerate(classes):
        for node in members:
            color[node] = number
    # Versions differ in whether a permutation holds where a vertex goes or where it comes from: let igraph
    # apply it.
    graph.vs["number"] = range(size)
    ordered = graph.permute_vertices(graph.canonical_permutation(color=color))
    return ordered.vs["number"], graph.automorphism_group(color=color)


BACKENDS: dict[str, Callable[..., Answer]] = {"pynauty": by_pynauty, "igraph": by_igraph}


def check_backend(name: str | None) -> None:
    """Raise ValueError for an unknown back end, ImportError for one that is not installed."""
    checks.one_of("backend", name, BACKENDS, optional=True)
    if name is None:
        return
    try:
        import_module(name)
    except ImportError as error:
        wanted = f"backend={name!r} needs {name}, which is not installed (`pip install {name}`; GPL)"
        raise ImportError(f"{wanted}; backend=None needs nothing") from error


def outside_labels(graphs: Graphs, name: str) -> Labels:
    """Return the labels of the graphs by a back end, one graph after the other.

    If there are arcs of several kinds, each becomes a vertex, joined to its tail and to the vertex of its
    reverse.
    """
    place, node, image = torch.empty_like(graphs.color), [], []
    for first, size in zip(graphs.first.tolist(), graphs.sizes.tolist(), strict=True):
        arc = slice(int(graphs.ptr[first]), int(graphs.ptr[first + size]))
        row, col, kind = graphs.row[arc] - first, graphs.col[arc] - first, graphs.kind[arc]
        color, total, pairs = graphs.color[first : first + size], size, torch.stack([row, col])
        if len(kind.unique()) > 1:
            back = graphs.find(graphs.col[arc], graphs.row[arc])[0] - arc.start
            vertex = size + torch.arange(len(row))
            color = torch.cat([color, len(graphs) + kind])
            pairs = torch.cat([torch.stack([row, vertex]), torch.stack([vertex, size + back])], 1)
            total = size + len(row)
        pairs = pairs[:, pairs[0] < pairs[1]]
        order, generators = BACKENDS[name](total, pairs.t().tolist(), _classes(color)) if total else ([], [])
        order = [vertex for vertex in order if vertex < size]
        place[first + torch.tensor(order, dtype=torch.long)] = first + torch.arange(size)
        for generator in generators:
            node.append(first + torch.arange(size))
            image.append(first + torch.tensor(generator[:size]))
    return _with_orbits(graphs, place, node, image)


def _classes(color: Tensor) -> list[list[int]]:
    order = color.argsort(stable=True)
    counts = color.unique(return_counts=True)[1]
    return [part.tolist() for part in order.split(counts.tolist())]


def _with_orbits(graphs: Graphs, place: Tensor, node: list[Tensor], image: list[Tensor]) -> Labels:
    """Labels with the orbits under generators: permutations of one graph each, from ``node`` to ``image``."""
    nodes, arcs = torch.arange(len(graphs)), torch.arange(len(graphs.row))
    if not node:
        return Labels(place, nodes, arcs)
    moved, arc, target = nodes.clone(), [], []
    for source, to in zip(node, image, strict=True):
        moved[source] = to
        arc.append(arcs[int(graphs.ptr[source[0]]) : int(graphs.ptr[source[-1] + 1])])
        target.append(graphs.find(moved[graphs.row[arc[-1]]], moved[graphs.col[arc[-1]]])[0])
    return Labels(
        place, union(nodes, torch.cat(node), torch.cat(image)), union(arcs, torch.cat(arc), torch.cat(target))
    )
