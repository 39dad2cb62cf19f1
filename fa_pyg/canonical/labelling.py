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
        order: ``[N]``, the node at each position; the positions of a graph are the range of its nodes. Nodes
            of lower color come first.
        orbit: ``[N]``, the smallest node of each node's orbit under the automorphisms that keep all colors.
        edge_orbit: ``[E]``, the smallest edge of each (directed) edge's orbit. Equal parallel edges share
            an orbit.
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
    r"""Order the nodes of graphs so that isomorphic graphs become identical (McKay and Piperno 2014).

    .. math:: G \cong H \iff G[\mathrm{order}_G] = H[\mathrm{order}_H]

    Graphs are cut into pieces (:class:`~fa_pyg.canonical.divide.Division`), twins are merged into one node
    (:class:`~fa_pyg.canonical.twins.Twins`), and where neither applies a node is individualized
    (:class:`~fa_pyg.canonical.choice.Choice`). These steps repeat, for all graphs of the batch together, in
    integers on the CPU. Hashes decide the order of graphs that differ, never whether graphs are equal: every
    automorphism in use has been verified arc by arc.

    Args:
        edge_index: directed edges, in any order; loops and parallel edges count as such.
        sizes: nodes of each graph; nodes lie graph by graph.
        node_color, edge_color: only their order within a graph matters: an isomorphism keeps the rank of
            each color. None: all equal.
        backend: ``"pynauty"`` or ``"igraph"`` (GPL; installed by the user) for graphs that are too hard, one
            graph after the other. The orders depend on the back end.

    Shapes:
        edge_index ``[2, E]``, sizes ``[B]``, node_color ``[N]``, edge_color ``[E]``, all int64.

    Raises:
        ValueError: if an input is malformed, or a graph is too hard: very regular, of hundreds of nodes.
        ImportError: for a back end that is not installed.
        RuntimeError: if two different graphs have equal hashes (it would take some 2^32 of them).

    The result for a graph does not depend on the rest of the batch. Automorphisms map orders to equally good
    ones: which of these is returned depends on the numbering of the nodes, the graph in that order does not.

    Not guaranteed: the same orders in another version of the package.
    """
    check_backend(backend)
    inputs = check(edge_index, sizes, node_color, edge_color)
    elsewhere = torch.empty(0).device.type != "cpu"
    with torch.device("cpu") if elsewhere else nullcontext():  # the mode slows down each operation
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
    """Simplify the graphs until each is a single node, then lift the labels step by step.

    Each step keeps the automorphism group up to automorphisms that the step itself generates: by induction
    the orbits are those of the whole group.
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
    """The orbits of the edges; edges between the same two nodes share an orbit if their colors are equal."""
    row, col = edge_index
    orbit = labels.node[row]
    other = flatnonzero(row != col)
    orbit[other] = labels.arc[graphs.find(row[other], col[other])[0]]
    return first_alike((row == col).long(), orbit, edge_color)
