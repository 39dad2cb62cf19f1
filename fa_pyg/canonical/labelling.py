"""Exact canonical labelling and automorphism orbits of all graphs of a batch."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from fa_pyg.canonical.backends import check_backend, outside_labels
from fa_pyg.canonical.cells import Cells
from fa_pyg.canonical.choice import Choice
from fa_pyg.canonical.colors import simple_graphs
from fa_pyg.canonical.divide import Division
from fa_pyg.canonical.graphs import Graphs
from fa_pyg.canonical.inputs import check
from fa_pyg.canonical.integers import flatnonzero
from fa_pyg.canonical.orbits import Labels, first_alike
from fa_pyg.canonical.twins import Twins

__all__ = ["Labelling", "canonical_labelling"]


@dataclass(frozen=True)
class Labelling:
    """A canonical labelling of the graphs of a batch.

    Shapes:
        order: ``[N]``, the node that takes each place; graph b's places are its own range of numbers. Nodes
            of lower colour come first.
        orbit: ``[N]``, the smallest node of each node's orbit under the automorphisms that keep all colours.
        edge_orbit: ``[E]``, the smallest edge of each (directed) edge's orbit. Equal parallel edges are one.
    """

    order: Tensor
    orbit: Tensor
    edge_orbit: Tensor


@torch.no_grad()
def canonical_labelling(
    edge_index: Tensor,
    sizes: Tensor,
    node_color: Tensor | None = None,
    edge_color: Tensor | None = None,
    backend: str | None = None,
) -> Labelling:
    r"""Orders the nodes of graphs so that isomorphic graphs become identical (McKay and Piperno 2014).

    .. math:: G \cong H \iff G[\mathrm{order}_G] = H[\mathrm{order}_H]

    Graphs are cut into pieces (:class:`~fa_pyg.canonical.divide.Division`), twins become one node
    (:class:`~fa_pyg.canonical.twins.Twins`), and where that ends a node is individualised
    (:class:`~fa_pyg.canonical.choice.Choice`): again and again, all graphs of the batch together. It is
    integer work on the CPU. Hashes decide the order of what differs, never what is equal: every
    automorphism in use has been verified arc by arc.

    Args:
        edge_index: directed edges, in any order; loops and parallel edges count as such.
        sizes: nodes of each graph; nodes lie graph by graph.
        node_color, edge_color: only their order within a graph matters. Isomorphic means: by a map that
            keeps the rank of each colour. All equal if None.
        backend: "pynauty" or "igraph" (GPL; installed by the user) for graphs that are too hard, one graph
            after the other. Their orders differ from ours and from each other's.

    Shapes:
        edge_index ``[2, E]``, sizes ``[B]``, node_color ``[N]``, edge_color ``[E]``, all int64.

    Raises:
        ValueError: if an input is malformed, or a graph is too hard: very regular, of hundreds of nodes.
        ImportError: if a back end is asked for that is not installed.
        RuntimeError: if two different graphs have equal hashes (it would take some 2^32 of them).

    What one graph gets does not depend on the rest of the batch. Which one of the orders is returned that
    automorphisms map to each other depends on the numbering of the nodes; the graph in that order does not.
    It may change from one version of the package to the next.
    """
    check_backend(backend)
    inputs = check(edge_index, sizes, node_color, edge_color)
    elsewhere = torch.get_default_device().type != "cpu"
    with torch.device("cpu") if elsewhere else nullcontext():  # which slows down each operation
        return Labelling(*(found.to(edge_index.device) for found in _label(*inputs, backend)))


def _label(
    edge_index: Tensor, sizes: Tensor, node_color: Tensor, edge_color: Tensor, backend: str | None
) -> tuple[Tensor, ...]:
    """The fields of :class:`Labelling`."""
    graphs = simple_graphs(edge_index, sizes, node_color, edge_color)
    if backend is None:
        labels = _labels(graphs.colored(Cells.of(graphs).refine().places))
    else:
        labels = outside_labels(graphs, backend)
    order = torch.empty_like(labels.place).scatter_(0, labels.place, torch.arange(len(graphs)))
    order = order[graphs.color[order].argsort(stable=True)]
    return order, labels.node, _edge_orbits(graphs, labels, edge_index, edge_color)


def _labels(graphs: Graphs) -> Labels:
    """Makes the graphs simpler until each is one node, then lifts the labels step by step.

    Each step keeps the automorphism group but for what it can generate itself: by induction the orbits are
    those of the whole group.
    """
    steps = []
    while step := Division.of(graphs) or Twins.of(graphs) or Choice.of(graphs):
        steps.append(step)
        graphs = step.after
    labels = Labels.of_single_nodes(graphs)
    for step in reversed(steps):
        labels = step.lift(labels)
    return labels


def _edge_orbits(graphs: Graphs, labels: Labels, edge_index: Tensor, edge_color: Tensor) -> Tensor:
    """Edges between the same two nodes are alike if their colours are equal."""
    row, col = edge_index
    orbit = labels.node[row]
    other = flatnonzero(row != col)
    orbit[other] = labels.arc[graphs.find(row[other], col[other])[0]]
    return first_alike((row == col).long(), orbit, edge_color)
