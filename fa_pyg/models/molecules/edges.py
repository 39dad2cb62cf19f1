"""What a network on molecules sees of a pair of atoms, smooth up to the cutoff."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from fa_pyg import checks
from fa_pyg.models.molecules.inputs import check_edges, check_pos
from fa_pyg.neighbors.edges import radius_graph

__all__ = ["EdgeFeatures", "edges_of", "placed", "polynomial_envelope"]


class EdgeFeatures(nn.Module):
    r"""Direction, Bessel functions of the distance, and an envelope that ends them smoothly.

    .. math:: b_n(d) = \frac{\sin(n \pi d / c)}{d}

    Args:
        cutoff: c, in the unit of the vectors.
        num_radial: Bessel functions.

    Shapes: ``r [E, 3]``; returns ``[E, 3]``, ``[E, num_radial]``, ``[E, 1]``. Coincident atoms have no
    direction and the weight 0.

    Raises ValueError for a cutoff that is not positive.
    """

    def __init__(self, cutoff: float, num_radial: int) -> None:
        super().__init__()
        self.cutoff = checks.number("cutoff", cutoff, above=0)
        checks.size("num_radial", num_radial)
        self.register_buffer("waves", math.pi * torch.arange(1, num_radial + 1) / cutoff, persistent=False)

    def forward(self, r: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        square = r.square().sum(-1, keepdim=True)
        apart = square > 0  # at 0 the root has no derivative
        distance = torch.where(apart, square, 1).sqrt()
        waves = torch.sin(distance * self.waves) / distance
        return r / distance, waves, polynomial_envelope(distance / self.cutoff) * apart


def edges_of(
    model: nn.Module,
    pos: Tensor | None,
    edge_index: Tensor | None,
    batch: Tensor | None,
    edge_vec: Tensor | None,
    z: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Edges and their vectors, as given, or of positions; all pairs within ``model.cutoff`` where not given.

    Raises ValueError for neither ``pos`` nor edges with vectors, and wrong shapes or types of these; the
    atoms are counted by ``z``, if it is given.
    """
    atoms = pos if z is None else z
    if pos is not None:
        check_pos(pos, atoms, values=False)
    check_edges(edge_index, edge_vec, None if atoms is None else len(atoms))
    if edge_vec is not None and edge_index is not None:
        return edge_index, edge_vec
    if pos is None or edge_vec is not None:
        raise ValueError(f"{type(model).__name__} needs pos, or edge_vec with edge_index")
    if edge_index is None:
        edge_index = radius_graph(pos, model.cutoff, batch, max_num_neighbors=None)
    return edge_index, pos.index_select(0, edge_index[0]) - pos.index_select(0, edge_index[1])


def placed(h: Tensor, pos: Tensor | None) -> Tensor:
    """Features ``h [N, d]`` of atoms, NaN where ``pos`` is not finite: an atom without a place has no edges,
    and would pass for one alone."""
    return h if pos is None else h.where(pos.isfinite().all(1, keepdim=True), torch.nan)


def polynomial_envelope(x: Tensor, p: int = 5) -> Tensor:
    r"""Returns a weight that falls from 1 at 0 to 0 at 1, flat to second order at both ends ("Directional
    Message Passing for Molecular Graphs", Gasteiger et al. 2020).

    .. math:: u(x) = 1 - \tfrac{(p+1)(p+2)}{2} x^p + p (p+2)\, x^{p+1} - \tfrac{p (p+1)}{2} x^{p+2}

    Shapes: any; 0 beyond 1.
    """
    x = x.clamp(max=1)
    a, b, c = -(p + 1) * (p + 2) / 2, p * (p + 2), -p * (p + 1) / 2
    return 1 + x**p * (a + x * (b + x * c))
