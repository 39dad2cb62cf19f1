"""Rays: weighted axes, each of which is completed to frames."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from fa_pyg.builders.weighted.candidates import Candidates
from fa_pyg.math.projections import Projection

__all__ = ["Rays"]

# About how many axes of a body share the weight at most; ties are not counted.
_MOST_AXES = 16


@dataclass(frozen=True)
class Rays:
    """Weighted axes of bodies: one column of each frame.

    Args:
        axis: unit vectors.
        body, weight: the body and the weight of each.
        first: whether the axis is the first column, as for the smallest principal axis; else it is the last.
        rotations: 1, 4 or 24: the number of rotations that its frames are averaged over: none, the quarter
            turns about the axis, or all of a cube.
        oriented: whether the axis is distinguished from its opposite; else it stands for both.
    """

    axis: Tensor
    body: Tensor
    weight: Tensor
    first: Tensor
    rotations: Tensor
    oriented: Tensor

    @classmethod
    def along(cls, axes: Tensor, top: Tensor, line: Tensor, bottom: Tensor) -> Rays:
        """Return the ends of positive weight of principal axes: the largest (in two families), the smallest.

        Shapes: axes ``[B, d, d]``; top, line and bottom ``[B, 2]``, the weights of the two ends, or
        ``[B, 1]`` for axes that stand for both ends.
        """
        weight = torch.stack([top, line, bottom])
        family, body, end = (weight > 0).nonzero().unbind(1)
        first = family == 2
        axis = torch.where(first.unsqueeze(1), axes[..., 0][body], axes[..., -1][body])
        axis = axis * (1 - 2 * end).to(axis).unsqueeze(1)
        oriented = torch.full_like(first, top.size(1) == 2)
        return cls(axis, body, weight[family, body, end], first, torch.where(family == 1, 4, 1), oriented)

    @classmethod
    def through(cls, candidates: Candidates, share: Tensor, point: Tensor, projection: Projection) -> Rays:
        """Return rays through the best candidates of bodies with a positive share; any ray if all are 0."""
        serves = candidates.read | point.index_select(0, candidates.body)
        at = (serves & (share.index_select(0, candidates.body) > 0)).nonzero().squeeze(1)
        with torch.no_grad():
            best, _ = projection.ragged(candidates.height(at)[0], candidates.body[at], candidates.size)
        at = at.index_select(0, best)
        body = candidates.body.index_select(0, at)
        score, axis = candidates.height(at)
        best, weight = projection.ragged(score, body, candidates.size, _MOST_AXES)
        axis, body = axis.index_select(0, best), body.index_select(0, best)
        lost = ((share > 0) & (torch.bincount(body, minlength=candidates.size) == 0)).nonzero().squeeze(1)
        axis = torch.cat([axis, axis.new_tensor([[0.0, 0.0, 1.0]]).expand(len(lost), -1)])
        body = torch.cat([body, lost])
        weight = torch.cat([weight, weight.new_ones(len(lost))]) * share.index_select(0, body)
        rotations = torch.where(point.index_select(0, body), 24, 1)
        first = torch.zeros_like(body, dtype=torch.bool)
        return cls(axis, body, weight, first, rotations, ~first)

    @classmethod
    def upright(cls, share: Tensor, point: Tensor) -> Rays:
        """Return the normal of the plane for bodies in two dimensions: frames rotate about it."""
        body = (share > 0).nonzero().squeeze(1)
        axis = share.new_tensor([[0.0, 0.0, 1.0]]).expand(len(body), -1)
        rotations = torch.where(point.index_select(0, body), 4, 1)
        first = torch.zeros_like(body, dtype=torch.bool)
        return cls(axis, body, share.index_select(0, body), first, rotations, ~first)

    def axes(self, ray: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Some axes, whether frames are averaged over rotations about them, and whether they are oriented."""
        averaged = self.rotations.index_select(0, ray) > 1
        return self.axis.index_select(0, ray), averaged, self.oriented.index_select(0, ray)

    @classmethod
    def cat(cls, parts: list[Rays]) -> Rays:
        """Concatenate rays."""
        return cls(*(torch.cat([getattr(rays, field.name) for rays in parts]) for field in fields(cls)))
