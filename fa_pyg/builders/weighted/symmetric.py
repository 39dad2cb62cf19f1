"""Frames of clouds whose principal axes are not well determined: symmetric clouds, lines, points."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import cache

import torch
from torch import Tensor

from fa_pyg.builders.cloud import Cloud
from fa_pyg.builders.weighted.blend import Blend
from fa_pyg.builders.weighted.candidates import Candidates
from fa_pyg.builders.weighted.orders import ALL, GIVEN, SORTED, SWAPPED
from fa_pyg.builders.weighted.rays import Rays
from fa_pyg.math.projections import Projection
from fa_pyg.typed import cross, det, integers, unique_consecutive

__all__ = ["symmetric_frames"]

# Pairs of an axis and a candidate in one block, which bounds the memory, and the number of pairs beyond which
# those without weight are dropped before anything is differentiated.
_PAIRS, _FEW = 1 << 17, 1 << 12

# About how many candidates across an axis share the weight at most; ties are not counted.
_MOST_ACROSS = 8


def symmetric_frames(
    cloud: Cloud,
    origin: Tensor | None,
    axes: Tensor,
    odd: Tensor | None,
    blend: Blend,
    reflects: bool,
    projection: Projection,
) -> tuple[Tensor, Tensor, Tensor, Tensor] | None:
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
        axes: principal axes, the smallest first.
        odd: odd moments along the axes; None if the caller takes each frame in all signs of its axes. Then
            only one of the frames that differ by signs is returned, not rotated: ``rule`` weights the orders
            of its axes (:func:`~fa_pyg.builders.weighted.orders.soft_orders`).
        blend: the shares of the families of frames.
        reflects: whether the group has reflections.
        projection: the projection of scores to weights.

    Shapes:
        axes ``[B, d, d]``, odd ``[B, d]`` for d = 2 or 3; returns ``[F, d, d]``, ``[F]``, ``[F]`` and
        ``[F]``, or None if there is no such body (which synchronizes with the device).
    """
    bodies = (blend.generic < 1).nonzero().squeeze(1)
    if not len(bodies):
        return None
    blend, axes = blend.of_bodies(bodies), axes.index_select(0, bodies)
    candidates = Candidates.of(cloud, origin, bodies, blend.point, reflects)
    odd_moments = odd if odd is None else odd.index_select(0, bodies)
    rays, num_principal = _rays(axes, odd_moments, blend, candidates, projection)
    hands = rays.axis.new_ones(2 if reflects and odd is not None else 1)
    hands[1:] = -1
    chiral = 0 * hands if reflects and odd is None else hands  # 0: the signs include both hands
    rotation, ray, weight = _completed(rays, candidates, hands, chiral, projection)
    body, weight = rays.body.index_select(0, ray), weight * rays.weight.index_select(0, ray)
    count = rays.rotations.index_select(0, ray)
    rule = torch.where(count == 24, ALL, torch.where(count == 4, SWAPPED, SORTED))
    rule = torch.where((ray >= num_principal) & (count == 1), GIVEN, rule)
    rotation, copy = _rotated_copies(rotation, count if odd is not None else torch.ones_like(count))
    first = rays.first.index_select(0, ray).index_select(0, copy)
    rotation = torch.where(first[:, None, None], rotation.roll(1, dims=-1), rotation)
    weight = (weight if odd is None else weight / count).index_select(0, copy)
    d = axes.size(-1)
    return rotation[:, :d, :d], bodies.index_select(0, body.index_select(0, copy)), weight, rule[copy]


def _rays(
    axes: Tensor, odd: Tensor | None, blend: Blend, candidates: Candidates, projection: Projection
) -> tuple[Rays, int]:
    """The weighted axes of bodies, and how many of them, which come first, are principal axes."""
    if axes.size(-1) == 2:
        rays = Rays.upright(blend.free, blend.point)
        return rays, len(rays.axis)
    # A single end if the signs include the other.
    single = axes.new_ones(*axes.shape[:2], 1)
    ends = single if odd is None else projection.dense(torch.stack([odd, -odd], dim=-1))
    top, bottom = ends[:, -1], ends[:, 0]
    shares = (top, blend.top), (top, blend.line), (bottom, blend.bottom)
    rays = Rays.along(axes, *(end * share.unsqueeze(1) for end, share in shares))
    num_principal = len(rays.axis)
    if (blend.free > 0).any():
        rays = Rays.cat([rays, Rays.through(candidates, blend.free, blend.point, projection)])
    return rays, num_principal


def _completed(
    rays: Rays, candidates: Candidates, hands: Tensor, chiral: Tensor, projection: Projection
) -> tuple[Tensor, Tensor, Tensor]:
    """The frames ``(e, +- a x e, a)`` of weighted rays a: rotation, ray and weight."""
    ray, at = _good_pairs(rays, candidates, chiral, projection)
    score, e, up = candidates.across(*rays.axes(ray), at, chiral)
    owner = ray.repeat_interleave(len(hands))
    best, weight = projection.ragged(score.flatten(), owner, len(rays.body), _MOST_ACROSS * len(hands))
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


def _good_pairs(
    rays: Rays, candidates: Candidates, chiral: Tensor, projection: Projection
) -> tuple[Tensor, Tensor]:
    """The pairs of a ray and a candidate of its body; without pairs of weight 0 where there are many."""
    blocks: list[tuple[Tensor, Tensor]] = []
    with torch.no_grad():
        for ray, at in _pairs(rays, candidates):
            if len(ray) > _FEW:
                score = candidates.across(*rays.axes(ray), at, chiral)[0]
                owner = ray.repeat_interleave(len(chiral))
                best, _ = projection.ragged(score.flatten(), owner, len(rays.body))
                best = unique_consecutive(best // len(chiral))
                ray, at = ray.index_select(0, best), at.index_select(0, best)
            blocks.append((ray, at))
    ray, at = (torch.cat(part) for part in zip(*blocks, strict=True)) if len(blocks) > 1 else blocks[0]
    return ray, at


def _pairs(rays: Rays, candidates: Candidates) -> Iterator[tuple[Tensor, Tensor]]:
    """All pairs of a ray and a candidate of its body, in blocks of bounded size; a ray lies in one block."""
    counts = candidates.counts.index_select(0, rays.body)
    start = (candidates.counts.cumsum(0) - candidates.counts).index_select(0, rays.body)
    block = (counts.cumsum(0) - counts) // _PAIRS
    for ray in torch.split(torch.arange(len(counts), device=counts.device), integers(torch.bincount(block))):
        count = counts.index_select(0, ray)
        before = (count.cumsum(0) - count - start.index_select(0, ray)).repeat_interleave(count)
        pair = ray.repeat_interleave(count)
        yield pair, torch.arange(len(pair), device=pair.device) - before


def _any_across(axis: Tensor) -> tuple[Tensor, Tensor]:
    """Any two unit vectors that are orthogonal to each axis and to each other."""
    seed = torch.zeros_like(axis).scatter_(1, axis.detach().abs().argmin(1, keepdim=True), 1)
    e = torch.nn.functional.normalize(cross(seed, axis, dim=-1), dim=-1)
    return e, cross(axis, e, dim=-1)


def _rotated_copies(rotation: Tensor, count: Tensor) -> tuple[Tensor, Tensor]:
    """The copies of frames under 1, 4 or 24 rotations, relative to their axes, and the frame of each copy."""
    frame = torch.arange(len(count), device=count.device).repeat_interleave(count)
    if len(frame) == len(count):
        return rotation, frame
    index = torch.arange(len(frame), device=count.device) - (count.cumsum(0) - count).index_select(0, frame)
    table = _rotations_of_a_cube().to(rotation)
    return rotation.index_select(0, frame) @ table.index_select(0, index), frame


@cache
@torch.inference_mode(False)  # cached: tensors made in inference mode cannot be differentiated later
def _rotations_of_a_cube() -> Tensor:
    """The 24 rotations of a cube, ``[24, 3, 3]``: the identity, the others about the last axis, the rest."""
    rotations: list[Tensor] = []
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1.0, -1.0), repeat=3):
            matrix = torch.zeros(3, 3, dtype=torch.float64)
            matrix[range(3), order] = torch.tensor(signs, dtype=torch.float64)
            if det(matrix) > 0:
                rotations.append(matrix)
    return torch.stack(sorted(rotations, key=lambda m: (m[2, 2] != 1, not m.equal(torch.eye(3).double()))))
