"""Scores of candidates across weighted axes: what depends on the axis is computed once for each axis."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fa_pyg.builders.weighted.candidates import Candidates
from fa_pyg.builders.weighted.cubics import components
from fa_pyg.builders.weighted.tables import polynomial
from fa_pyg.math.columns import take
from fa_pyg.typed import cross

__all__ = ["Across", "combined"]

# Below this distance from a line, relative to the size, the direction of a point across it is undefined ...
_ACROSS = 1e-13
# ... and below this one it is taken as constant: the average over quarter turns depends on it in fourth order
# only, so that the true derivative vanishes, but the numerical one is rounding divided by a small number.
_FIXED = 1e-4


@dataclass(frozen=True)
class Across:
    r"""Axes a, two directions across each, and the scores of directions across as polynomials.

    A direction across an axis is :math:`e = \cos\phi\, u + \sin\phi\, v`, with
    :math:`a \times e = \cos\phi\, v - \sin\phi\, u`.

    Args:
        u, v: unit vectors, right-handed with the axis. They turn with the axis, not about it.
        averaged: whether frames are averaged over rotations about the axis: for lines and points.
        terms: u, v, a (0 unless it is distinguished from its opposite), and coefficients: of the third moment
            along e, and (where mirror images differ) of the third moments along a x e.

    Shapes:
        u, v ``[3, ...]``, averaged ``[...]``, terms ``[13, ...]`` or ``[17, ...]``.
    """

    u: Tensor
    v: Tensor
    averaged: Tensor
    terms: Tensor

    @classmethod
    def of(cls, axis: Tensor, third: Tensor, averaged: Tensor, oriented: Tensor, chiral: bool) -> Across:
        """Return the plane across axes.

        Args:
            axis: unit vectors.
            third: third moments of their bodies.
            averaged: whether frames are averaged over rotations about the axis.
            oriented: whether the axis is distinguished from its opposite; else scores are equal for both.
            chiral: whether scores of mirror images differ.

        Shapes:
            axis ``[3, ...]``, averaged and oriented ``[...]``, third ``[10, ...]`` (which broadcasts).
        """
        u, v = _directions(axis)
        basis = torch.stack([u, v, axis], 1)[:, None, None]
        turned = components(third)
        for _ in range(3):  # the first index along the basis, and behind the others
            turned = (turned.unsqueeze(3) * basis).sum(0)
        table = polynomial(turned)
        rows = 8 if chiral else 4
        parts = turned.flatten(0, 2).index_select(0, table.places[:, :rows].flatten())
        parts = parts.view(3, rows, *axis.shape[1:])
        terms = (parts * table.times[:, :rows].view(3, rows, *(1,) * (axis.dim() - 1))).sum(0)
        known = torch.cat([u, v, axis.masked_fill(~oriented, 0), terms[:4]])
        if chiral:  # Across a line both hands have equal weights: others would depend on its orientation.
            known = torch.cat([known, terms[4:].masked_fill(averaged | ~oriented, 0)])
        return cls(u, v, averaged, known)

    def scores(
        self, candidates: Candidates, ray: Tensor, at: Tensor | None, hands: int
    ) -> tuple[Tensor, Tensor]:
        r"""Return the scores of candidates across axes, and :math:`(\cos\phi, \sin\phi)` of their directions.

        Args:
            candidates: all candidates.
            ray: the axis of each: the last axis of ``terms``.
            at: these candidates; None for all.
            hands: 2 for frames and their mirror images, 1 for the former alone.

        Shapes:
            ray and at ``[n]``; returns ``[hands, ..., n]`` and ``[2, ..., n]``.
        """
        x, bonus = (value if at is None else take(value, at) for value in (candidates.x, candidates.bonus))
        terms = take(self.terms, ray)
        x = x.view(1, 3, *(1,) * (terms.dim() - 2), x.size(1))
        flat = (terms[:9].view(3, 3, *terms.shape[1:]) * x).sum(1)
        flat, height = flat[:2], flat[2]
        fixed = flat.detach()
        flat = torch.where((fixed * fixed).sum(0) > _FIXED**2, flat, fixed)
        square = (flat * flat).sum(0)
        flat = flat / _root(square)
        lost = ~(square.detach() > _ACROSS**2)  # also where it is NaN
        if candidates.read is not None:
            lost = lost | ~candidates.serve(at, take(self.averaged, ray))
        c, s = flat
        square_terms = torch.cat([flat * c, (s * s).unsqueeze(0)])
        cube_terms = torch.cat([square_terms * c, (square_terms[2] * s).unsqueeze(0)])
        even = square.masked_fill(lost, 1).log() + height / (1 + height * height).sqrt()
        even = even + (terms[9:13] * cube_terms).sum(0)
        even = even.masked_fill(lost, -torch.inf) + bonus
        if len(terms) == 13:
            return even.expand(hands, *even.shape), flat
        odd = (terms[13:] * torch.cat([flat, torch.stack([square_terms[0] - square_terms[2], c * s])])).sum(0)
        return torch.stack([even + odd, even - odd][:hands]), flat


def combined(flat: Tensor, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Return e and a x e, ``[3, ...]``, of cosines and sines ``[2, ...]``."""
    c, s = flat
    return c * u + s * v, c * v - s * u


def _directions(axis: Tensor) -> tuple[Tensor, Tensor]:
    """Two unit vectors ``[3, ...]`` that are orthogonal to each axis, and to each other."""
    fixed = axis.detach()
    seed = torch.zeros_like(fixed).scatter(0, fixed.abs().argmin(0, keepdim=True), 1)
    u = cross(seed, fixed, dim=0)
    u = u - (u * axis).sum(0) * axis
    u = u / _root((u * u).sum(0))  # 0 for an axis that is 0, which has no weight
    return u, cross(axis, u, dim=0)


def _root(square: Tensor) -> Tensor:
    return (square + (square == 0)).sqrt()
