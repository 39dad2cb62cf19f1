"""Frames of clouds whose principal axes are not well determined: symmetric clouds, lines, points."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from fa_pyg.builders.cloud import Cloud
from fa_pyg.builders.weighted.across import Across, combined
from fa_pyg.builders.weighted.blend import Blend
from fa_pyg.builders.weighted.candidates import Candidates
from fa_pyg.builders.weighted.rays import ANY, Rays
from fa_pyg.builders.weighted.tables import cube_rotations, numbers_of_rotations
from fa_pyg.math.columns import take
from fa_pyg.math.projections import Projection
from fa_pyg.typed import integers

__all__ = ["MOST_ACROSS", "Hands", "symmetric_frames"]

# Pairs of an axis and a candidate in one block, which bounds the memory, and the number of pairs beyond which
# those without weight are dropped before anything is differentiated.
_PAIRS, _FEW = 1 << 17, 1 << 12

MOST_ACROSS = 8
"""About how many candidates across an axis share the weight at most; ties are not counted."""


def symmetric_frames(
    cloud: Cloud,
    origin: Tensor | None,
    bodies: Tensor,
    axes: Tensor,
    odd: Tensor | None,
    blend: Blend,
    reflects: bool,
    projection: Projection,
    is_free: bool,
    is_unbounded: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    r"""Return rotation, body, weight and rule of frames of bodies whose principal axes do not suffice.

    A frame is made of a weighted axis a and a weighted candidate x: a point or vector that is read, or, for
    lines and points, any that is declared:

    .. math:: (e, a \times e, a), \qquad e = \frac{x - (x \cdot a) a}{|x - (x \cdot a) a|}

    and, under reflections, also :math:`(e, -a \times e, a)`. The axes are the good principal axis, in the
    signs of its odd moment, or those through other candidates. The weights are projections of invariant
    scores: :math:`\log |x - (x \cdot a) a|^2`, which excludes candidates on the axis, node weights, and third
    moments. Candidates that a symmetry exchanges have equal scores, so that the frames include whole orbits.

    A line is invariant under all rotations about it. Its frames are averaged over quarter turns, which for
    tensors up to rank 3 equals the average over all rotations; those of a point over the 24 rotations of a
    cube.

    Args:
        cloud: the input of the frame.
        origin: the origin of the points.
        bodies: these bodies, o of them.
        axes: their principal axes, the smallest first.
        odd: odd moments along the axes; None if the caller takes each frame in all signs of its axes. Then
            only one of the frames that differ by signs is returned, not rotated: ``rule`` weights the orders
            of its axes (``orders.py``).
        blend: their shares of the families of frames.
        reflects: whether the group has reflections.
        projection: the projection of scores to weights.
        is_free: whether a body may have frames without a good axis.
        is_unbounded: whether a body may be a line or a point.

    Shapes:
        bodies ``[o]``, axes ``[o, d, d]``, odd ``[o, d]`` for d = 2 or 3; returns ``[F, d, d]``, ``[F]``
        (from 0 to o - 1), ``[F]`` and ``[F]``.
    """
    candidates = Candidates.of(cloud, origin, bodies, blend.point, reflects)
    rays = _rays(axes, odd, blend, candidates, projection, is_free)
    rotation, ray, weight = _completed(rays, candidates, Hands.of(reflects, odd), projection)
    body, rule = rays.body.index_select(0, ray), rays.rule.index_select(0, ray)
    weight, first = weight * rays.weight.index_select(0, ray), rays.first.index_select(0, ray)
    d = axes.size(-1)
    rotation = torch.where(first[:, None, None], rotation.roll(1, dims=-1), rotation)[:, :d, :d]
    if odd is None or not is_unbounded:
        return rotation, body, weight, rule
    count = numbers_of_rotations(rule)
    rotation, copy = _rotated_copies(rotation, count)
    weight, body, rule = (x.index_select(0, copy) for x in (weight / count, body, rule))
    return rotation, body, weight, rule


class Hands(NamedTuple):
    """Number of hands of each frame, 2 with its mirror image, and whether their scores differ."""

    number: int
    chiral: bool

    @classmethod
    def of(cls, reflects: bool, odd: Tensor | None) -> Hands:
        """Return the hands of frames in chosen signs, by odd moments, or in all signs, which include both."""
        return cls(2 if reflects and odd is not None else 1, not (reflects and odd is None))


def _rays(
    axes: Tensor,
    odd: Tensor | None,
    blend: Blend,
    candidates: Candidates,
    projection: Projection,
    is_free: bool,
) -> Rays:
    """The weighted axes of bodies."""
    if axes.size(-1) == 2:
        return Rays.upright(blend.free, blend.point)
    top, line, bottom = (share.unsqueeze(1) for share in (blend.top, blend.line, blend.bottom))
    if odd is not None:  # else a single end, since the signs include the other
        odd = odd[:, :: odd.size(1) - 1]
        bottom_ends, top_ends = projection.of_two(2 * torch.stack([odd, -odd], dim=-1)).unbind(1)
        top, line, bottom = top * top_ends, line * top_ends, bottom * bottom_ends
    parts = [Rays.along(axes, top, line, bottom)]
    if is_free:
        parts.append(Rays.through(candidates, blend.free, blend.point, projection))
    return Rays.cat(parts)


def _completed(
    rays: Rays, candidates: Candidates, hands: Hands, projection: Projection
) -> tuple[Tensor, Tensor, Tensor]:
    """The frames ``(e, +- a x e, a)`` of weighted rays a: rotation, ray and weight."""
    across = rays.across(candidates, hands.chiral)
    ray, at = _good_pairs(rays, across, candidates, hands, projection)
    score, flat = across.scores(candidates, ray, at, hands.number)
    # Any direction, where no candidate has a positive weight: appended, so that this is not another decision.
    rest = torch.arange(len(rays.body), device=ray.device)
    score = torch.cat([score, rays.weight.new_full((len(score), len(rest)), ANY)], 1)
    flat = torch.cat([flat, torch.stack([torch.ones_like(rays.weight), torch.zeros_like(rays.weight)])], 1)
    ray, hand = torch.cat([ray, rest]), hands.number
    owner = ray if hand == 1 else ray.repeat(hand)
    best, weight = projection.ragged(score.flatten(), owner, len(rest), MOST_ACROSS * hand)
    at, sign = best, 1
    if hand == 2:
        at, sign = best % len(ray), 1 - 2 * (best >= len(ray)).to(weight.dtype)
    flat, ray = take(flat, at), ray.index_select(0, at)
    e, up = combined(flat, take(across.u, ray), take(across.v, ray))
    return torch.stack([e, sign * up, take(rays.axis, ray)], dim=1).movedim(-1, 0), ray, weight


def _good_pairs(
    rays: Rays, across: Across, candidates: Candidates, hands: Hands, projection: Projection
) -> tuple[Tensor, Tensor]:
    """The pairs of a ray and a candidate of its body; without pairs of weight 0 where there are many."""
    blocks: list[tuple[Tensor, Tensor]] = []
    with torch.no_grad():
        for ray, at in _pairs(rays, candidates):
            if len(ray) > _FEW:
                score = across.scores(candidates, ray, at, hands.number)[0].amax(0)
                near = projection.near(score, ray, len(rays.body))
                ray, at = ray.index_select(0, near), at.index_select(0, near)
            blocks.append((ray, at))
    ray, at = (torch.cat(part) for part in zip(*blocks, strict=True)) if len(blocks) > 1 else blocks[0]
    return ray, at


def _pairs(rays: Rays, candidates: Candidates) -> Iterator[tuple[Tensor, Tensor]]:
    """All pairs of a ray and a candidate of its body, in blocks of bounded size; a ray lies in one block."""
    starts = torch.searchsorted(candidates.body, rays.body)
    counts = torch.searchsorted(candidates.body, rays.body, right=True) - starts
    number = torch.arange(len(counts), device=counts.device)
    blocks = [number]
    if len(counts) * len(candidates.body) > _PAIRS:  # else all pairs fit, without a sync
        blocks = torch.split(number, integers(torch.bincount((counts.cumsum(0) - counts) // _PAIRS)))
    for ray in blocks:
        one = ray is number
        count, start = (x if one else x.index_select(0, ray) for x in (counts, starts))
        place = torch.arange(len(ray), device=ray.device).repeat_interleave(count)
        before = count.cumsum(0) - count - start
        at = torch.arange(len(place), device=ray.device) - before.index_select(0, place)
        yield place if one else ray.index_select(0, place), at


def _rotated_copies(rotation: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    """The copies of frames under 1, 4 or 24 rotations, relative to their axes, and the frame of each copy."""
    frame = torch.arange(len(count), device=count.device).repeat_interleave(count)
    if len(frame) == len(count):
        return rotation, frame
    index = torch.arange(len(frame), device=count.device) - (count.cumsum(0) - count).index_select(0, frame)
    table = cube_rotations(rotation.size(-1), rotation)
    return rotation.index_select(0, frame) @ table.index_select(0, index), frame
