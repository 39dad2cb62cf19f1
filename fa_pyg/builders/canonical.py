"""Canonical frame of graphs: an exact canonical order of the nodes, and the orbits of automorphisms."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from fa_pyg import checks
from fa_pyg.builders.base import PermutationFrame
from fa_pyg.builders.graphs import Graphs
from fa_pyg.builders.spectral import SpectralFrame
from fa_pyg.canonical import Labelling, canonical_labelling
from fa_pyg.canonical.backends import check_backend
from fa_pyg.frames.permutation import PermutationFrames
from fa_pyg.groups import GroupLike
from fa_pyg.typed import unique_with_inverse

__all__ = ["CanonicalFrame"]


class CanonicalFrame(PermutationFrame):
    r"""Frame of an exact canonical labelling: the model sees isomorphic graphs as identical.

    .. math:: \langle\Phi\rangle(x)_i = \frac{1}{|\mathrm{orbit}(i)|} \sum_{j \in \mathrm{orbit}(i)}
              \left(\rho(g)\, \Phi(\rho(g)^{-1} x)\right)_j

    with g a canonical labelling: :math:`\rho(g)^{-1} x` is the same for all graphs isomorphic to x. The full
    frame is g times the automorphisms of x. All of its elements give the same model input, so that a single
    run suffices; the average over them, for node- and edge-level outputs, is an average over orbits.
    Automorphisms preserve the features of nodes and edges. See
    :func:`fa_pyg.canonical.canonical_labelling` for the method.

    So a model that distinguishes all labelled graphs distinguishes graphs exactly up to isomorphism. The
    labelling decides isomorphism, which takes exponential time in the worst case.

    Args:
        group: ``"S(n)"``.
        first: a frame whose order comes first; the labelling decides only its ties. Similar graphs then have
            similar orders, from which a model learns better; a labelling alone is as good as arbitrary. The
            price is the tolerance of that frame: see there.
        backend: ``"pynauty"`` or ``"igraph"``, installed by the user, for graphs that are too hard for this
            package.

    Raises:
        ValueError: from the labelling, for a graph too hard for it.
        ImportError: for a back end that is not installed.

    Not guaranteed: continuity. A small change of a feature can change the order of all nodes (there is no
    continuous canonical form: Dym, Lawrence, Siegel 2024); features are compared exactly.
    """

    def __init__(
        self,
        group: GroupLike = "S(n)",
        first: SpectralFrame | None = None,
        backend: str | None = None,
    ) -> None:
        super().__init__(group)
        checks.instance("first", first, SpectralFrame, "a SpectralFrame", optional=True)
        check_backend(backend)
        self.first = first
        self.backend = backend

    def build(self, graphs: Graphs) -> PermutationFrames:
        numbers, edges = graphs.numbers, graphs.edge_numbers
        # Graph by graph, as the labelling expects them.
        place = torch.empty_like(numbers.by_body)
        place[numbers.by_body] = torch.arange(len(place), device=place.device)
        # The ranks of the first frame include the features.
        color = graphs.node_color if self.first is None else self.first.ranks(graphs)
        edge_color = graphs.edge_color
        at, counts = place[graphs.edge_index], numbers.counts
        label = partial(canonical_labelling, at, counts, edge_color=edge_color, backend=self.backend)
        found = label(None if color is None else color[numbers.by_body])
        if graphs.marks is not None:
            found = _fixing_marked(found, graphs.marks[numbers.by_body], at, counts, label)
        order = found.order - numbers.start.repeat_interleave(numbers.counts, output_size=len(place))
        orbit = numbers.local[numbers.by_body[found.orbit[place]]]
        return PermutationFrames.ragged(
            order,
            torch.arange(graphs.size, device=order.device),
            torch.ones(graphs.size, dtype=torch.float64, device=order.device),
            numbers,
            torch.ones(graphs.size, dtype=torch.bool, device=order.device),
            edge_index=graphs.edge_index,
            edge_color=edge_color,
            orbit=orbit,
            edge_orbit=edges.local[found.edge_orbit],
        )

    def extra_repr(self) -> str:
        options = "".join(f", {k}={v!r}" for k, v in (("backend", self.backend),) if v is not None)
        return super().extra_repr() + options


def _fixing_marked(
    found: Labelling, marks: Tensor, edges: Tensor, counts: Tensor, label: Callable[[Tensor], Labelling]
) -> Labelling:
    """Label anew the graphs whose automorphisms move marked nodes, with automorphisms that fix these.

    Nodes are colored by the first position of their orbit, and by their mark: both are the same for
    isomorphic graphs with the same marks, and the new labelling decides only ties of the old one.
    """
    taken = torch.empty_like(found.order)
    taken[found.order] = torch.arange(len(taken), device=taken.device)
    first = torch.full_like(taken, len(taken)).scatter_reduce(0, found.orbit, taken, "amin")[found.orbit]
    size = torch.bincount(found.orbit, minlength=len(taken))[found.orbit]
    body = torch.arange(len(counts), device=counts.device).repeat_interleave(counts, output_size=len(taken))
    moved = torch.zeros_like(counts, dtype=torch.bool)
    moved[body[(marks >= 0) & (size > 1)]] = True
    if not bool(moved.any()):
        return found
    other = label(unique_with_inverse(torch.stack([first, marks], 1))[1])
    of_edges = moved[body[edges[0]]]
    return Labelling(
        torch.where(moved[body], other.order, found.order),
        torch.where(moved[body], other.orbit, found.orbit),
        torch.where(of_edges, other.edge_orbit, found.edge_orbit),
    )
