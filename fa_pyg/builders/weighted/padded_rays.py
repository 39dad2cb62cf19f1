"""Padded frames of clouds whose principal axes are not well determined: ``symmetric.py`` in fixed shapes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fa_pyg.builders.weighted.across import Across, combined
from fa_pyg.builders.weighted.blend import Blend
from fa_pyg.builders.weighted.candidates import Candidates
from fa_pyg.builders.weighted.padded import Padded, largest_weights, taken
from fa_pyg.builders.weighted.principal import Principal
from fa_pyg.builders.weighted.rays import MOST_AXES
from fa_pyg.builders.weighted.symmetric import MOST_ACROSS, Hands
from fa_pyg.builders.weighted.tables import (
    ALL,
    GIVEN,
    HALF_TURNS,
    SORTED,
    SWAPPED,
    column,
    cube_rotations,
    numbers_of_rotations,
)
from fa_pyg.math.columns import take
from fa_pyg.math.projections import Projection

__all__ = ["padded_symmetric"]

_FIRST, _ORIENTED = 4, 8  # added to the rule of a ray, 0 to 3


def padded_symmetric(principal: Principal, blend: Blend, k: int, few: Tensor | None) -> Padded:
    """Return at most k frames of each body from axes and candidates (``symmetric_frames``), d = 2 or 3.

    Args:
        principal: the principal axes.
        blend: the weights of all families.
        k: the number of frames.
        few: bodies that are averaged over half turns alone, ``[B]``: points where k is too small for more.
    """
    odd, settings, d = principal.odd, principal.settings, principal.axes.size(-1)
    candidates = Candidates.of(principal.cloud, principal.origin, None, blend.point, settings.reflects)
    projection, hands = settings.projection, Hands.of(settings.reflects, odd)
    if d == 2:
        rays = _upright(blend)
    else:
        free = _free(candidates, blend, projection, k)
        rays = _principal(principal.axes, odd, blend, projection).beside(free)
    frames = _completed(rays.largest(k), candidates, hands, projection, k, d)
    return frames if odd is None else _rotated_copies(frames, k, few)


@dataclass(frozen=True)
class _Rays:
    """Weighted axes, of which each body has as many.

    Args:
        axis: unit vectors.
        weight: the weight of each.
        kind: the rule of the orders of its frames (``tables.py``), plus ``_FIRST`` if it is their first
            column, plus ``_ORIENTED`` if it is distinguished from its opposite (``Rays``).
        overflow: whether a body has more of positive weight.

    Shapes:
        axis ``[3, r, B]``, weight and kind ``[r, B]``, overflow ``[B]``.
    """

    axis: Tensor
    weight: Tensor
    kind: Tensor
    overflow: Tensor

    @property
    def rule(self) -> Tensor:
        return self.kind % _FIRST

    def beside(self, others: _Rays) -> _Rays:
        """Return these rays and others."""
        axis = torch.cat([self.axis, others.axis], 1)
        weight, kind = torch.cat([self.weight, others.weight]), torch.cat([self.kind, others.kind])
        return _Rays(axis, weight, kind, self.overflow | others.overflow)

    def largest(self, k: int) -> _Rays:
        """Return the k rays of each body with the largest weights."""
        place, more = largest_weights(self.weight, k)
        axis = self.axis.gather(1, place.expand(3, -1, -1))
        return _Rays(axis, self.weight.gather(0, place), self.kind.gather(0, place), self.overflow | more)


def _upright(blend: Blend) -> _Rays:
    """The normal of the plane of each body in two dimensions."""
    weight, point = blend.free.unsqueeze(0), blend.point.unsqueeze(0)
    axis = torch.eye(3, dtype=weight.dtype, device=weight.device)[:, 2:].unsqueeze(2).expand(3, *weight.shape)
    kind = torch.where(point, SWAPPED + _ORIENTED, SORTED + _ORIENTED)
    return _Rays(axis, weight, kind, torch.zeros_like(blend.point))


def _principal(axes: Tensor, odd: Tensor | None, blend: Blend, projection: Projection) -> _Rays:
    """The ends of the largest principal axis, in two families, and of the smallest; one end in all signs."""
    weight = torch.stack([blend.top, blend.line, blend.bottom])
    largest, smallest = axes[..., 2].mT, axes[..., 0].mT
    axis, oriented, kinds = (
        torch.stack([largest, largest, smallest], 1),
        0,
        (SORTED, SWAPPED, SORTED + _FIRST),
    )
    if odd is not None:
        odd = torch.stack([odd[:, 2], odd[:, 2], odd[:, 0]])
        weight = torch.cat([weight * projection.of_two(2 * odd), weight * projection.of_two(-2 * odd)])
        axis, oriented, kinds = torch.cat([axis, -axis], 1), _ORIENTED, 2 * kinds
    kind = torch.cat([torch.full_like(weight[:1], kind + oriented, dtype=torch.long) for kind in kinds])
    return _Rays(axis, weight, kind, torch.zeros_like(blend.point))


def _free(candidates: Candidates, blend: Blend, projection: Projection, k: int) -> _Rays:
    """The k best candidates of each body without a good axis; any axis if all are 0."""
    score, axis = candidates.height(None)
    body = candidates.body
    score = score.masked_fill(~candidates.serve(None, take(blend.point, body)), -torch.inf)
    # With fewer frames than axes that may share a weight, there are too many of them in any case.
    most = MOST_AXES if k > MOST_AXES else None
    place, weight, count = projection.largest(score, body, candidates.size, k, most)
    up = torch.eye(3, dtype=axis.dtype, device=axis.device)[:, 2:]
    axis, lost = take(torch.cat([axis, up], 1), place.flatten()).view(3, *place.shape), count == 0
    axis = torch.where(lost, up.unsqueeze(2), axis)
    first = torch.arange(k, device=lost.device).unsqueeze(1) == 0
    weight = torch.where(lost, first.to(weight.dtype), weight) * blend.free
    kind = torch.where(blend.point, ALL + _ORIENTED, GIVEN + _ORIENTED).expand(k, -1)
    return _Rays(axis, weight, kind, (count > k) & (blend.free.detach() > 0))


def _completed(
    rays: _Rays, candidates: Candidates, hands: Hands, projection: Projection, k: int, d: int
) -> Padded:
    """At most k frames ``(e, +- a x e, a)`` of each body."""
    r, rule = rays.weight.size(0), rays.rule
    third = candidates.third.unsqueeze(1)
    across = Across.of(rays.axis, third, rule >= SWAPPED, rays.kind >= _ORIENTED, hands.chiral)
    flat, hand, weight, count = _best_across(across, candidates, hands, projection, k)
    weight = (weight * rays.weight).flatten(0, 1)
    place, more = largest_weights(weight, k)  # of all rays of a body: only these frames are made
    ray = place % r
    flat, hand = flat.flatten(1, 2).gather(1, place.expand(2, -1, -1)), hand.flatten(0, 1).gather(0, place)
    u, v, axis = torch.stack([across.u, across.v, rays.axis]).gather(2, ray.expand(3, 3, -1, -1))
    e, up = combined(flat, u, v)
    rotation = torch.stack([e, (1 - 2 * hand) * up, axis], 1)
    first = rays.kind.gather(0, ray) % _ORIENTED >= _FIRST
    rotation = torch.where(first, rotation.roll(1, dims=1), rotation)[:d, :d].permute(2, 3, 0, 1)
    overflow = rays.overflow | more | ((count > k) & (rays.weight.detach() > 0)).any(0)
    return Padded(rotation, weight.gather(0, place), rule.gather(0, ray), overflow)


def _best_across(
    across: Across, candidates: Candidates, hands: Hands, projection: Projection, k: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The k best directions across each axis: cosines and sines, hands, weights, the number of positive ones.

    Where there is no candidate of positive weight, any direction, in both hands.

    Shapes:
        ``[2, k, r, B]``, ``[k, r, B]``, ``[k, r, B]``, ``[r, B]``.
    """
    (r, size), body = across.averaged.shape, candidates.body
    score, flat = across.scores(candidates, body.expand(r, -1), None, hands.number)
    owner = (torch.arange(r, device=body.device).unsqueeze(1) * size + body).expand(hands.number, -1, -1)
    most = MOST_ACROSS * hands.number
    given = score.flatten(), owner.flatten(), r * size, k, most if k > most else None
    place, weight, count = projection.largest(*given)
    slot, lost = torch.arange(k, device=body.device).unsqueeze(1), count == 0
    hand = torch.zeros_like(place) if hands.number == 1 else (place >= flat[0].numel()).long()
    ahead = torch.eye(2, dtype=flat.dtype, device=flat.device)[:, :1]
    place = place - flat[0].numel() * hand
    flat = take(torch.cat([flat.flatten(1), ahead], 1), place.flatten()).view(2, k, -1)
    flat = torch.where(lost, ahead.unsqueeze(2), flat)
    hand = torch.where(lost, slot % hands.number, hand)
    weight = torch.where(lost, (slot < hands.number).to(weight.dtype) / hands.number, weight)
    count = count.masked_fill(lost, hands.number)
    return flat.view(2, k, r, size), hand.view(k, r, size), weight.view(k, r, size), count.view(r, size)


def _rotated_copies(frames: Padded, k: int, few: Tensor | None) -> Padded:
    """At most k copies of frames under 1, 4 or 24 rotations, or half turns alone, relative to their axes."""
    table = cube_rotations(frames.rotation.size(-1), frames.weight)
    halves = column(HALF_TURNS[: table.size(-1) ** 2 // 2], frames.rule).squeeze(1)  # 2 or 4
    weight, rule = frames.weight, frames.rule

    def copies_of(rule: Tensor) -> Tensor:
        count = numbers_of_rotations(rule)
        return count if few is None else torch.where(few, count.clamp(max=len(halves)), count)

    order, _ = largest_weights(weight / copies_of(rule), k)
    weight, rule = weight.gather(0, order), rule.gather(0, order)
    count = copies_of(rule)
    copies = torch.where(weight.detach() <= 0, 0, count)  # a NaN keeps its frames
    ends, slot = copies.cumsum(0), torch.arange(k, device=count.device).unsqueeze(1)
    at = (ends <= slot.unsqueeze(1)).sum(1).clamp(max=k - 1)  # the frame that each slot holds a copy of
    number = (slot - (ends - copies).gather(0, at)).clamp(max=len(table) - 1)
    if few is not None:
        number = torch.where(
            few, take(halves, number.clamp(max=len(halves) - 1).flatten()).view_as(number), number
        )
    turn = table.index_select(0, number.flatten())
    rotation = taken(taken(frames.rotation, order), at).flatten(0, 1) @ turn
    more = torch.where(weight > 0, count, 0).sum(0) > k
    weight = torch.where(slot < ends[-1], (weight / count).gather(0, at), 0)
    return Padded(rotation.view(k, -1, *table.shape[1:]), weight, rule.gather(0, at), frames.overflow | more)
