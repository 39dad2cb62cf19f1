"""Edges of molecules, and edge features that are smooth up to the cutoff."""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor, nn

from fa_pyg import checks
from fa_pyg.models.molecules.inputs import check_edges, check_pos
from fa_pyg.neighbors import edge_vectors, radius_graph
from fa_pyg.neighbors.cutoffs import polynomial_envelope

__all__ = ["EdgeFeatures", "edges_of", "nan_without_position", "polynomial_envelope"]


class EdgeFeatures(nn.Module):
    r"""Edge features: direction, Bessel functions of the distance, and a smooth envelope.

    .. math:: b_n(d) = \frac{\sin(n \pi d / c)}{d}

    Args:
        cutoff: c, in the unit of the vectors.
        num_radial: number of Bessel functions.

    Shapes: ``r [E, 3]``; returns ``[E, 3]``, ``[E, num_radial]``, ``[E, 1]``. Edges between coincident atoms
    have direction 0 and weight 0.

    Raises:
        ValueError: for a cutoff or a number that is not positive.
    """

    waves: Tensor

    def __init__(self, cutoff: float, num_radial: int) -> None:
        super().__init__()
        self.cutoff = checks.number("cutoff", cutoff, above=0)
        checks.size("num_radial", num_radial)
        self.register_buffer("waves", math.pi * torch.arange(1, num_radial + 1) / cutoff, persistent=False)

    def forward(self, r: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        distance, waves, weight = self.radial(r)
        return r / distance, waves, weight

    def radial(self, r: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return what no rotation changes: distances ``[E, 1]`` (1 in place of 0), waves and weights."""
        square = r.square().sum(-1, keepdim=True)
        apart = square > 0  # the square root has no derivative at 0
        distance = torch.where(apart, square, 1).sqrt()
        waves = torch.sin(distance * self.waves) / distance
        return distance, waves, polynomial_envelope(distance / self.cutoff) * apart


class _HasCutoff(Protocol):
    """A network with a cutoff of its edges."""

    cutoff: float


def edges_of(
    model: _HasCutoff,
    pos: Tensor | None,
    edge_index: Tensor | None,
    batch: Tensor | None,
    edge_vec: Tensor | None,
    z: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Return edges and their vectors as given, or computed from positions.

    Without ``edge_index`` all pairs within ``model.cutoff`` are edges.

    Args:
        model: network, with a ``cutoff``.
        pos, edge_index, batch, edge_vec: as in :class:`~fa_pyg.models.FAENet`.
        z: atomic numbers, whose length is the number of atoms; default that of ``pos``.

    Raises:
        ValueError: for neither ``pos`` nor edges with vectors, and for wrong shapes or types.
    """
    atoms = pos if z is None else z
    if pos is not None:
        check_pos(pos, pos if z is None else z, values=False)
    check_edges(edge_index, edge_vec, None if atoms is None else len(atoms))
    if edge_vec is not None and edge_index is not None:
        return edge_index, edge_vec
    if pos is None or edge_vec is not None:
        raise ValueError(
            f"pos: expected it, or edge_vec with edge_index, for {type(model).__name__}, found None"
        )
    if edge_index is None:
        edge_index = radius_graph(pos, model.cutoff, batch, max_num_neighbors=None)
    return edge_index, edge_vectors(pos, edge_index)


def nan_without_position(h: Tensor, pos: Tensor | None) -> Tensor:
    """Set features ``h [N, d]`` of atoms to NaN where ``pos`` is not finite.

    Such atoms have no edges, and would else count as isolated atoms.
    """
    return h if pos is None else h.where(pos.isfinite().all(1, keepdim=True), torch.nan)
