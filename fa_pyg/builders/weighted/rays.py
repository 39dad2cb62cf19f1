"""Rays: weighted axes, each of which is completed to frames."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from fa_pyg.builders.weighted.across import Across
from fa_pyg.builders.weighted.candidates import Candidates
from fa_pyg.builders.weighted.tables import ALL, GIVEN, SORTED, SWAPPED
from fa_pyg.math.columns import take
from fa_pyg.math.projections import Projection

__all__ = ["ANY", "MOST_AXES", "Rays"]

MOST_AXES = 16
"""About how many axes of a body share the weight at most; ties are not counted."""
ANY = -1e6
"""The score of an arbitrary direction, below that of all candidates."""
# Candidates beyond which those far from the best are dropped before anything is differentiated.
_FEW = 1 << 12


@dataclass(frozen=True)
class Rays:
    """Weighted axes of bodies: one column of each frame.

    Args:
        axis: unit vectors.
        body, weight: the body and the weight of each.
        first: whether the axis is the first column, as for the smallest principal axis; else it is the last.
        rule: the rule of the orders of its frames (``tables.py``).
        oriented: whether the axis is distinguished from its opposite; else it stands for both.

    Shapes:
        axis ``[3, R]``, the others ``[R]``.
    """

    axis: Tensor
    body: Tensor
    weight: Tensor
    first: Tensor
    rule: Tensor
    oriented: Tensor

    @classmethod
    def along(cls, axes: Tensor, top: Tensor, line: Tensor, bottom: Tensor) -> Rays:
        """Return the ends of positive weight of principal axes: the largest (in two families), the smallest.

        Shapes: axes ``[B, d, d]``; top, line and bottom ``[B, 2]``, the weights of the two ends, or
        ``[B, 1]`` for axes that stand for both ends.
        """
        weight = torch.stack([top, line, bottom])
        family, body, end = (weight.detach() > 0).nonzero().unbind(1)
        first = family == 2
        axis = axes[body, :, axes.size(-1) - 1 - 2 * first.long()].T
        if top.size(1) == 2:
            axis = axis * (1 - 2 * end)
        rule = SORTED + (SWAPPED - SORTED) * (family == 1)
        oriented = torch.full_like(first, top.size(1) == 2)
        return cls(axis, body, weight[family, body, end], first, rule, oriented)

    @classmethod
    def through(cls, candidates: Candidates, share: Tensor, point: Tensor, projection: Projection) -> Rays:
        """Return rays through the best candidates of bodies with a positive share; any ray if all are 0."""
        wanted, body, at = share.detach() > 0, candidates.body, None
        others = ~(candidates.serve(None, point.index_select(0, body)) & wanted.index_select(0, body))
        if len(body) > _FEW:
            with torch.no_grad():
                score = candidates.height(None)[0].masked_fill(others, -torch.inf)
                at = projection.near(score, body, candidates.size)
            body, others = body.index_select(0, at), others.index_select(0, at)
        score, axis = candidates.height(at)
        score = score.masked_fill(others, -torch.inf)
        # Any axis, where no candidate has a positive weight: appended, so that this is not another decision.
        axis = torch.cat([axis, _upright(share, candidates.size)], 1)
        score = torch.cat([score, torch.where(wanted, ANY, -torch.inf)])
        body = torch.cat([body, torch.arange(candidates.size, device=body.device)])
        best, weight = projection.ragged(score, body, candidates.size, MOST_AXES)
        axis, body = take(axis, best), body.index_select(0, best)
        weight = weight * share.index_select(0, body)
        return cls._free(axis, body, weight, GIVEN + (ALL - GIVEN) * point.index_select(0, body))

    @classmethod
    def upright(cls, share: Tensor, point: Tensor) -> Rays:
        """Return the normal of the plane for bodies in two dimensions: frames rotate about it."""
        body = (share.detach() > 0).nonzero().squeeze(1)
        rule = SORTED + (SWAPPED - SORTED) * point.index_select(0, body)
        return cls._free(_upright(share, len(body)), body, share.index_select(0, body), rule)

    @classmethod
    def _free(cls, axis: Tensor, body: Tensor, weight: Tensor, rule: Tensor) -> Rays:
        """Rays that are not principal axes."""
        first = torch.zeros_like(body, dtype=torch.bool)
        return cls(axis, body, weight, first, rule, ~first)

    def across(self, candidates: Candidates, chiral: bool) -> Across:
        """The plane across each axis, for scores of candidates."""
        third = take(candidates.third, self.body)
        return Across.of(self.axis, third, self.rule >= SWAPPED, self.oriented, chiral)

    @classmethod
    def cat(cls, parts: list[Rays]) -> Rays:
        """Concatenate rays."""
        if len(parts) == 1:
            return parts[0]
        return cls(*(torch.cat([getattr(rays, field.name) for rays in parts], -1) for field in fields(cls)))


def _upright(like: Tensor, count: int) -> Tensor:
    """The last axis, ``[3, count]``."""
    return torch.eye(3, dtype=like.dtype, device=like.device)[:, 2:].expand(-1, count)
