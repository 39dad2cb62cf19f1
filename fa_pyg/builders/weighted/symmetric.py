"""Frames for clouds whose principal axes say little: symmetric ones, lines, points."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cache

import torch
from torch import Tensor

from fa_pyg.builders.cloud import Cloud
from fa_pyg.builders.weighted.candidates import Candidates
from fa_pyg.builders.weighted.moments import Blend
from fa_pyg.builders.weighted.orders import AS_THEY_ARE, EVERY, SORTED, SWAPPED
from fa_pyg.math.projections import Projection

__all__ = ["Rays", "symmetric_frames"]

# How many pairs of an axis and a candidate are looked at together, which bounds the memory, and from how
# many on those without weight are left out before anything is differentiated.
_PAIRS, _FEW = 1 << 17, 1 << 12

# About how many axes of a body, and candidates across each, share the weight at most; ties are not counted.
_MOST_AXES, _MOST_ACROSS = 16, 8


@dataclass(frozen=True)
class Rays:
    """Weighted oriented axes of bodies: one third of a frame.

    Args:
        axis: unit vectors.
        body, weight: of each.
        first: whether the axis is the first of its frames, as the smallest principal axis is; else the last.
        turns: 1, 4 or 24: whether its frames are averaged over the quarter turns about it, or over all 24
            rotations of a cube.
        oriented: whether the axis is told from its opposite; else it stands for both.
    """

    axis: Tensor
    body: Tensor
    weight: Tensor
    first: Tensor
    turns: Tensor
    oriented: Tensor

    @classmethod
    def along(cls, axes: Tensor, top: Tensor, line: Tensor, bottom: Tensor) -> Rays:
        """Return the ends with a weight of the principal axes: of the largest in two families, the smallest.

        Shapes: axes ``[B, d, d]``; top, line and bottom ``[B, 2]``, the weights of the two ends, or
        ``[B, 1]``, those of axes that stand for both ends.
        """
        weight = torch.stack([top, line, bottom])
        family, body, end = (weight > 0).nonzero().unbind(1)
        first = family == 2
        axis = torch.where(first.unsqueeze(1), axes[..., 0][body], axes[..., -1][body])
        axis = axis * (1 - 2 * end).to(axis).unsqueeze(1)
        oriented = torch.full_like(first, top.size(1) == 2)
        return cls(axis, body, weight[family, body, end], first, torch.where(family == 1, 4, 1), oriented)

    @classmethod
    def through(cls, candidates: Candidates, share: Tensor, point: Tensor, sharp: Projection) -> Rays:
        """Return rays through the best candidates of the bodies with a share; any ray if they are all 0."""
        serves = candidates.read | point.index_select(0, candidates.body)
        at = (serves & (share.index_select(0, candidates.body) > 0)).nonzero().squeeze(1)
        with torch.no_grad():
            best, _ = sharp.ragged(candidates.height(at)[0], candidates.body[at], candidates.size)
        at = at.index_select(0, best)
        body = candidates.body.index_select(0, at)
        score, axis = candidates.height(at)
        best, weight = sharp.ragged(score, body, candidates.size, _MOST_AXES)
        axis, body = axis.index_select(0, best), body.index_select(0, best)
        lost = ((share > 0) & (torch.bincount(body, minlength=candidates.size) == 0)).nonzero().squeeze(1)
        axis = torch.cat([axis, axis.new_tensor([[0.0, 0.0, 1.0]]).expand(len(lost), -1)])
        body = torch.cat([body, lost])
        weight = torch.cat([weight, weight.new_ones(len(lost))]) * share.index_select(0, body)
        turns = torch.where(point.index_select(0, body), 24, 1)
        no = torch.zeros_like(body, dtype=torch.bool)
        return cls(axis, body, weight, no, turns, ~no)

    @classmethod
    def upright(cls, share: Tensor, point: Tensor) -> Rays:
        """Return the third axis for bodies in the plane of the others: what is left is to turn about it."""
        body = (share > 0).nonzero().squeeze(1)
        axis = share.new_tensor([[0.0, 0.0, 1.0]]).expand(len(body), -1)
        turns = torch.where(point.index_select(0, body), 4, 1)
        no = torch.zeros_like(body, dtype=torch.bool)
        return cls(axis, body, share.index_select(0, body), no, turns, ~no)

    def axes(self, ray: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Some axes, whether frames are averaged over turns about them, and whether they are oriented."""
        turned = self.turns.index_select(0, ray) > 1
        return self.axis.index_select(0, ray), turned, self.oriented.index_select(0, ray)

    @classmethod
    def cat(cls, rays: list[Rays]) -> Rays:
        return cls(*(torch.cat([getattr(one, part.name) for one in rays]) for part in fields(cls)))


def symmetric_frames(
    cloud: Cloud,
    origin: Tensor | None,
    axes: Tensor,
    odd: Tensor | None,
    blend: Blend,
    reflects: bool,
    sharp: Projection,
) -> tuple[Tensor, Tensor, Tensor, Tensor] | None:
    r"""Return rotation, body, weight and way of the frames of bodies whose principal axes are not enough.

    A frame is made of a weighted axis a and a weighted candidate x, one of the points and vectors read, or
    for lines and points, of all that are declared:

    .. math:: (e, a \times e, a), \qquad e = \frac{x - (x \cdot a) a}{|x - (x \cdot a) a|}

    and under reflections as well :math:`(e, -a \times e, a)`. The axes are the good principal axis, in the
    signs of its odd moment, or those through other candidates. The weights are projected from scores made
    of invariants: :math:`\log |x - (x \cdot a) a|^2`, which rules out what lies on the axis, node weights,
    and third moments. Candidates that a symmetry exchanges have equal scores, so that each frame has its
    whole orbit.

    What lies on a line is left alone by all turns about it. Its frames are averaged over quarter turns, which
    for tensors of rank 3 is the same as over all; at a point, over the 24 rotations of a cube.

    Args:
        odd: odd moments along the axes; None where each frame will be taken in all signs of its axes. Then
            one of those that differ by signs is returned, without turns: ``way`` says in which orders of
            its axes it is to be taken (:func:`~fa_pyg.builders.weighted.orders.soft_orders`).

    Shapes:
        axes ``[B, d, d]`` with the smallest first, odd ``[B, d]`` for d = 2 or 3; returns ``[F, d, d]``,
        ``[F]``, ``[F]`` and ``[F]``, or None where there is no such body (it waits for the device to know).
    """
    bodies = (blend.generic < 1).nonzero().squeeze(1)
    if not len(bodies):
        return None
    blend, axes = blend.of_bodies(bodies), axes.index_select(0, bodies)
    candidates = Candidates.of(cloud, origin, bodies, blend.point, reflects)
    rays, kept = _rays(axes, odd if odd is None else odd.index_select(0, bodies), blend, candidates, sharp)
    hands = rays.axis.new_tensor([1.0, -1.0] if reflects and odd is not None else [1.0])
    chiral = 0 * hands if reflects and odd is None else hands  # where both hands are among the signs
    rotation, ray, weight = _completed(rays, candidates, hands, chiral, sharp)
    body, weight = rays.body.index_select(0, ray), weight * rays.weight.index_select(0, ray)
    turns = rays.turns.index_select(0, ray)
    way = torch.where(turns == 24, EVERY, torch.where(turns == 4, SWAPPED, SORTED))
    way = torch.where((ray >= kept) & (turns == 1), AS_THEY_ARE, way)
    rotation, copy = _copied(rotation, turns if odd is not None else torch.ones_like(turns))
    first = rays.first.index_select(0, ray).index_select(0, copy)
    rotation = torch.where(first[:, None, None], rotation.roll(1, dims=-1), rotation)
    weight = (weight if odd is None else weight / turns).index_select(0, copy)
    d = axes.size(-1)
    return rotation[:, :d, :d], bodies.index_select(0, body.index_select(0, copy)), weight, way[copy]


def _rays(
    axes: Tensor, odd: Tensor | None, blend: Blend, candidates: Candidates, sharp: Projection
) -> tuple[Rays, int]:
    """The weighted axes of bodies, and how many of them, the first, are principal axes."""
    if axes.size(-1) == 2:
        rays = Rays.upright(blend.free, blend.point)
        return rays, len(rays.axis)
    # One end, if the other one is among the signs.
    one = axes.new_ones(*axes.shape[:2], 1)
    ends = one if odd is None else sharp.dense(torch.stack([odd, -odd], dim=-1))
    top, bottom = ends[:, -1], ends[:, 0]
    shares = (top, blend.top), (top, blend.line), (bottom, blend.bottom)
    rays = Rays.along(axes, *(end * share.unsqueeze(1) for end, share in shares))
    kept = len(rays.axis)
    if (blend.free > 0).any():
        rays = Rays.cat([rays, Rays.through(candidates, blend.free, blend.point, sharp)])
    return rays, kept


def _completed(
    rays: Rays, candidates: Candidates, hands: Tensor, chiral: Tensor, sharp: Projection
) -> tuple[Tensor, Tensor, Tensor]:
    """The frames ``(e, +- a x e, a)`` of weighted rays a: rotation, ray and weight."""
    found = []
    with torch.no_grad():
        for ray, at in _pairs(rays, candidates):
            if len(ray) > _FEW:
                score = candidates.across(*rays.axes(ray), at, chiral)[0]
                best, _ = sharp.ragged(score.flatten(), ray.repeat_interleave(len(hands)), len(rays.body))
                best = (best // len(hands)).unique_consecutive()
                ray, at = ray.index_select(0, best), at.index_select(0, best)
            found.append((ray, at))
    ray, at = (torch.cat(part) for part in zip(*found, strict=True)) if len(found) > 1 else found[0]
    score, e, up = candidates.across(*rays.axes(ray), at, chiral)
    owner = ray.repeat_interleave(len(hands))
    best, weight = sharp.ragged(score.flatten(), owner, len(rays.body), _MOST_ACROSS * len(hands))
    best, hand = best // len(hands), best % len(hands)
    e, up, ray = (value.index_select(0, best) for value in (e, up, ray))
    lost = (torch.bincount(ray, minlength=len(rays.body)) == 0).nonzero().squeeze(1)
    if len(lost):
        any_e, any_up = _any_across(rays.axis.index_select(0, lost))
        e = torch.cat([e, any_e.repeat_interleave(len(hands), 0)])
        up = torch.cat([up, any_up.repeat_interleave(len(hands), 0)])
        hand = torch.cat([hand, torch.arange(len(hands), device=ray.device).repeat(len(lost))])
        weight = torch.cat([weight, weight.new_full((len(lost) * len(hands),), 1 / len(hands))])
        ray = torch.cat([ray, lost.repeat_interleave(len(hands))])
    up = up * hands.index_select(0, hand).unsqueeze(1)
    return torch.stack([e, up, rays.axis.index_select(0, ray)], dim=-1), ray, weight


def _pairs(rays: Rays, candidates: Candidates) -> Iterator[tuple[Tensor, Tensor]]:
    """All pairs of a ray and a candidate of its body, a bounded number at a time, each ray in one part."""
    counts = candidates.counts.index_select(0, rays.body)
    start = (candidates.counts.cumsum(0) - candidates.counts).index_select(0, rays.body)
    part = (counts.cumsum(0) - counts) // _PAIRS
    for ray in torch.arange(len(counts), device=counts.device).split(torch.bincount(part).tolist()):
        own = counts.index_select(0, ray)
        before = (own.cumsum(0) - own - start.index_select(0, ray)).repeat_interleave(own)
        pair = ray.repeat_interleave(own)
        yield pair, torch.arange(len(pair), device=pair.device) - before


def _any_across(axis: Tensor) -> tuple[Tensor, Tensor]:
    """Any two unit vectors across each axis and each other."""
    seed = torch.zeros_like(axis).scatter_(1, axis.detach().abs().argmin(1, keepdim=True), 1)
    e = torch.nn.functional.normalize(torch.linalg.cross(seed, axis, dim=-1), dim=-1)
    return e, torch.linalg.cross(axis, e, dim=-1)


def _copied(rotation: Tensor, turns: Tensor) -> tuple[Tensor, Tensor]:
    """All copies of frames under 1, 4 or 24 rotations, in their own axes, and which each is a copy of."""
    copy = torch.arange(len(turns), device=turns.device).repeat_interleave(turns)
    if len(copy) == len(turns):
        return rotation, copy
    place = torch.arange(len(copy), device=turns.device) - (turns.cumsum(0) - turns).index_select(0, copy)
    # In one table: the 4 turns about the last axis come first, the first of all is none.
    table = _rotations_of_a_cube().to(rotation)
    return rotation.index_select(0, copy) @ table.index_select(0, place), copy


@cache
@torch.inference_mode(False)  # kept: what inference makes cannot be differentiated later
def _rotations_of_a_cube() -> Tensor:
    """The 24 rotations ``[24, 3, 3]``; the first is none, the first four are those about the last axis."""
    found = []
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1.0, -1.0), repeat=3):
            matrix = torch.zeros(3, 3, dtype=torch.float64)
            matrix[range(3), order] = torch.tensor(signs, dtype=torch.float64)
            if torch.linalg.det(matrix) > 0:
                found.append(matrix)
    return torch.stack(sorted(found, key=lambda m: (m[2, 2] != 1, not m.equal(torch.eye(3).double()))))
