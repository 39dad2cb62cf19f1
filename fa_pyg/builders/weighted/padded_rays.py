"""Padded frames of clouds whose principal axes are not well determined: ``symmetric.py`` in fixed shapes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fa_pyg.builders.weighted.blend import Blend
from fa_pyg.builders.weighted.candidates import Candidates
from fa_pyg.builders.weighted.padded import Padded, largest_weights, taken
from fa_pyg.builders.weighted.principal import Principal
from fa_pyg.builders.weighted.rays import MOST_AXES
from fa_pyg.builders.weighted.symmetric import MOST_ACROSS, Hands, any_across
from fa_pyg.builders.weighted.tables import ALL, GIVEN, SORTED, SWAPPED, cube_rotations, numbers_of_rotations
from fa_pyg.math.projections import Projection

__all__ = ["padded_symmetric"]


def padded_symmetric(principal: Principal, blend: Blend, k: int) -> Padded:
    """Return at most k frames of each body from axes and candidates (``symmetric_frames``), d = 2 or 3."""
    axes, odd, settings = principal.axes, principal.odd, principal.settings
    candidates = Candidates.of(principal.cloud, principal.origin, None, blend.point, settings.reflects)
    projection, hands = settings.projection, Hands.of(settings.reflects, odd)
    if axes.size(-1) == 2:
        rays = _upright(blend)
    else:
        rays = _Rays.cat([*_principal(axes, odd, blend, projection), _free(candidates, blend, projection, k)])
    frames, d = _completed(rays.largest(k), candidates, hands, projection, k), axes.size(-1)
    frames = replace(frames, rotation=frames.rotation[..., :d, :d]).largest(k)
    return frames if odd is None else _rotated_copies(frames).largest(k)


@dataclass(frozen=True)
class _Rays:
    """Weighted axes, of which each body has as many; fields as those of ``Rays``.

    Shapes:
        axis ``[r, B, 3]``, overflow ``[B]``, the others ``[r, B]``.
    """

    axis: Tensor
    weight: Tensor
    first: Tensor
    oriented: Tensor
    rule: Tensor
    overflow: Tensor

    @classmethod
    def of(
        cls,
        axis: Tensor,
        weight: Tensor,
        first: bool,
        oriented: bool,
        rule: Tensor | int,
    ) -> _Rays:
        """Return rays of one kind."""
        like = torch.zeros_like(weight, dtype=torch.long)
        is_first, is_oriented = (torch.full_like(like, flag, dtype=torch.bool) for flag in (first, oriented))
        return cls(axis, weight, is_first, is_oriented, like + rule, torch.zeros_like(is_first[0]))

    @classmethod
    def cat(cls, parts: list[_Rays]) -> _Rays:
        """Concatenate rays."""
        values = ([getattr(rays, name) for rays in parts] for name in _NAMES)
        axis, weight, first, oriented, rule = map(torch.cat, values)
        overflow = torch.stack([rays.overflow for rays in parts]).any(0)
        return cls(axis, weight, first, oriented, rule, overflow)

    def largest(self, k: int) -> _Rays:
        """Return the k rays of each body with the largest weights."""
        place, more = largest_weights(self.weight, k)
        axis, weight, first, oriented, rule = (taken(getattr(self, name), place) for name in _NAMES)
        return _Rays(axis, weight, first, oriented, rule, self.overflow | more)


_NAMES = ("axis", "weight", "first", "oriented", "rule")


def _upright(blend: Blend) -> _Rays:
    """The normal of the plane of each body in two dimensions."""
    weight, point = blend.free.unsqueeze(0), blend.point.unsqueeze(0)
    axis = torch.eye(3, dtype=weight.dtype, device=weight.device)[2].expand(*weight.shape, 3)
    return _Rays.of(axis, weight, False, True, torch.where(point, SWAPPED, SORTED))


def _principal(axes: Tensor, odd: Tensor | None, blend: Blend, projection: Projection) -> list[_Rays]:
    """The ends of the largest principal axis, in two families, and of the smallest; one end in all signs."""
    signs, ends = (1,), torch.ones_like(blend.top).expand(3, 1, -1)
    if odd is not None:
        signs = (1, -1)
        ends = projection.dense(torch.stack([odd, -odd], dim=-1)).permute(1, 2, 0)
    rays: list[_Rays] = []
    families = ((blend.top, 2, SORTED), (blend.line, 2, SWAPPED), (blend.bottom, 0, SORTED))
    for share, column, rule in families:
        axis = torch.stack([sign * axes[..., column] for sign in signs])
        rays.append(_Rays.of(axis, share * ends[column], column == 0, odd is not None, rule))
    return rays


def _free(candidates: Candidates, blend: Blend, projection: Projection, k: int) -> _Rays:
    """The k best candidates of each body without a good axis; any axis if all are 0."""
    score, axis = candidates.height(None)
    body = candidates.body
    serves = candidates.serve(
        None, blend.point.index_select(0, body), torch.ones_like(body, dtype=torch.bool)
    )
    # With fewer frames than axes that may share a weight, there are too many of them in any case.
    weight = projection.weights(
        score.masked_fill(~serves, -torch.inf),
        body,
        candidates.size,
        MOST_AXES if k > MOST_AXES else None,
    )
    place, weight, count = _best(weight, body, candidates.size, k)
    axis, lost = _rows(axis, place), (count == 0).unsqueeze(0)
    up = torch.eye(3, dtype=axis.dtype, device=axis.device)[2]
    axis = torch.where(lost.unsqueeze(2), up, axis)
    first = torch.arange(k, device=lost.device).unsqueeze(1) == 0
    weight = torch.where(lost, first.to(weight.dtype), weight) * blend.free
    rays = _Rays.of(axis, weight, False, True, torch.where(blend.point, ALL, GIVEN))
    return replace(rays, overflow=(count > k) & (blend.free.detach() > 0))


def _completed(rays: _Rays, candidates: Candidates, hands: Hands, projection: Projection, k: int) -> Padded:
    """At most k frames ``(e, +- a x e, a)`` of each ray a."""
    r, size = rays.weight.shape
    ray = torch.arange(r, device=rays.axis.device).unsqueeze(1) * size + candidates.body
    ray, at = ray.flatten(), torch.arange(candidates.body.size(0), device=ray.device).repeat(r)
    axis, averaged = rays.axis.flatten(0, 1), rays.rule.flatten() >= SWAPPED
    of_ray = [x.index_select(0, ray) for x in (axis, averaged, rays.oriented.flatten())]
    score, e, up = candidates.across(of_ray[0], of_ray[1], of_ray[2], at, hands.number, hands.chiral)
    e = e.unsqueeze(1).expand(-1, hands.number, -1).flatten(0, 1)
    up = torch.stack([up, -up][: hands.number], dim=1).flatten(0, 1)
    most = MOST_ACROSS * hands.number
    owner = ray.unsqueeze(1).expand(-1, hands.number).flatten()
    weight = projection.weights(score.flatten(), owner, r * size, most if k > most else None)
    place, weight, count = _best(weight, owner, r * size, k)
    e, up, lost = _rows(e, place), _rows(up, place), (count == 0).unsqueeze(0)
    some_e, some_up = any_across(axis)
    slot = torch.arange(k, device=lost.device).unsqueeze(1)
    e = torch.where(lost.unsqueeze(2), some_e, e)
    up = torch.where(lost.unsqueeze(2), (1 - 2 * (slot % 2)).unsqueeze(2) * some_up, up)
    weight = torch.where(lost, (slot < hands.number).to(weight.dtype) / hands.number, weight)
    count = torch.where(lost.squeeze(0), hands.number, count)
    rotation = torch.stack([e, up, axis.expand_as(e)], dim=-1)
    rotation = torch.where(rays.first.view(1, -1, 1, 1), rotation.roll(1, dims=-1), rotation)
    overflow = rays.overflow | ((count > k).view(r, size) & (rays.weight.detach() > 0)).any(0)
    weight = (weight.view(k, r, size) * rays.weight).flatten(0, 1)
    rotation, rule = rotation.view(k * r, size, 3, 3), rays.rule.repeat(k, 1)
    return Padded(rotation, weight, rule, overflow)


def _rotated_copies(frames: Padded) -> Padded:
    """The copies of frames under 1, 4 or 24 rotations, relative to their axes."""
    table = cube_rotations(frames.rotation.size(-1), frames.rotation)
    count = numbers_of_rotations(frames.rule)
    number = torch.arange(len(table), device=count.device)[:, None, None]
    weight = torch.where(number < count, frames.weight / count, 0)
    rotation = frames.rotation @ table[:, None, None]
    rule = frames.rule.repeat(len(table), 1)
    return Padded(rotation.flatten(0, 1), weight.flatten(0, 1), rule, frames.overflow)


def _best(weight: Tensor, index: Tensor, size: int, k: int) -> tuple[Tensor, Tensor, Tensor]:
    """The places ``[k, size]`` of the k largest weights that share an index, these, the number of positive.

    Where there are fewer, weights are 0 and places those of the largest: rows of another body may be NaN. For
    an index that none has, places are n.
    """
    positive = weight.detach() > 0
    order = torch.argsort(weight.detach(), descending=True, stable=True)
    order = order.index_select(0, torch.argsort(index.index_select(0, order), stable=True))
    own = index.index_select(0, order)
    rank = torch.arange(own.size(0), device=own.device) - torch.searchsorted(own, own)
    target = torch.where(rank < k, rank * size + own, k * size)  # the last one is thrown away
    place = own.new_full((k * size + 1,), own.size(0)).scatter(0, target, order)[:-1].view(k, size)
    place = torch.where(place == own.size(0), place[:1], place)
    best = weight.new_zeros(k * size + 1).scatter(0, target, weight.index_select(0, order))
    count = torch.zeros(size, dtype=torch.long, device=own.device).index_add(0, index, positive.long())
    return place, best[:-1].view(k, size), count


def _rows(x: Tensor, place: Tensor) -> Tensor:
    """The rows of ``x [n, 3]`` at ``place [k, m]``; the unit vector z at n."""
    x = torch.cat([x, torch.eye(3, dtype=x.dtype, device=x.device)[2:]])
    return x.index_select(0, place.flatten()).view(*place.shape, 3)
