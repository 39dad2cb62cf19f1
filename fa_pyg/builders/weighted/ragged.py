"""Weighted frames of which each body has as many as have a positive weight."""

from __future__ import annotations

import torch
from torch import Tensor

from fa_pyg.builders.pca import make_proper
from fa_pyg.builders.weighted.blend import Blend
from fa_pyg.builders.weighted.orders import are_ordered, order_weights, reordered
from fa_pyg.builders.weighted.parts import Parts
from fa_pyg.builders.weighted.principal import Principal
from fa_pyg.builders.weighted.signs import in_all_signs
from fa_pyg.builders.weighted.symmetric import symmetric_frames
from fa_pyg.builders.weighted.tables import SORTED
from fa_pyg.frames import ALL_RANKS, Frames
from fa_pyg.frames.posed import PosedFrames

__all__ = ["frames_in_all_signs", "frames_in_chosen_signs"]


def frames_in_chosen_signs(principal: Principal, odd: Tensor, signs: Tensor) -> Frames:
    """Return frames in the signs of positive weight, by odd moments ``[B, d]``, the largest weight first."""
    axes, cloud, projection = principal.axes, principal.cloud, principal.settings.projection
    score = odd @ signs.T
    best, pattern = score.detach().topk(min(len(signs), 2))
    parts = Parts.of((best[:, :1] - best[:, 1:] >= projection.reach).all(1), principal.gaps)
    rotation = axes * signs.index_select(0, pattern[:, 0]).unsqueeze(1)
    if parts.are_decided:
        return Frames.uniform(rotation.unsqueeze(0), principal.origin, cloud.batch, ALL_RANKS)
    blend = principal.gaps.blend(parts.symmetric)
    undecided, share = parts.undecided(blend)
    weight, pattern = projection.ranked(score.index_select(0, undecided))
    weight = weight * share.unsqueeze(1)
    slot, body = (~(weight.detach().T <= 0)).nonzero().unbind(1)  # a NaN keeps its frames
    pattern, weight, body = pattern[body, slot], weight[body, slot], undecided.index_select(0, body)
    found = [
        (rotation.index_select(0, parts.decided), parts.decided, weight.new_ones(len(parts.decided))),
        (axes.index_select(0, body) * signs.index_select(0, pattern).unsqueeze(1), body, weight),
        *(others[:3] for others in _symmetric(principal, parts, blend)),
    ]
    rotation, body, weight = (torch.cat(part) for part in zip(*found, strict=True))
    exact = _exactness(principal, parts, blend)
    return Frames.ragged(rotation, body, weight, cloud.size, principal.origin, cloud.batch, exact)


def frames_in_all_signs(principal: Principal, signs: Tensor) -> Frames:
    """Return frames in all signs, and in the orders of positive weight."""
    axes, cloud, origin = principal.axes, principal.cloud, principal.origin
    of_orders = principal.settings.of_orders
    parts = Parts.of(are_ordered(principal.values, principal.scale, of_orders), principal.gaps)
    if parts.are_decided:
        # Not signed frames, whose averages are summed in another order: outputs of a body would depend, in
        # the last digit, on the other bodies.
        return PosedFrames.of(Frames.uniform(axes.unsqueeze(0), origin, cloud.batch, ALL_RANKS), signs)
    blend = principal.gaps.blend(parts.symmetric)
    body, weight = parts.undecided(blend)
    found = [
        (axes.index_select(0, body), body, weight, torch.full_like(body, SORTED)),
        *_symmetric(principal, parts, blend),
    ]
    rotation, body, weight, rule = (torch.cat(part) for part in zip(*found, strict=True))
    moment, scale = principal.second.index_select(0, body), principal.scale.index_select(0, body)
    weight = weight.unsqueeze(1) * order_weights(rotation, moment, scale, rule, of_orders)
    frame, order = (~(weight.detach() <= 0)).nonzero().unbind(1)  # a NaN keeps its frames
    rotation = reordered(rotation.index_select(0, frame), order)
    rotation = rotation if principal.settings.reflects else make_proper(rotation)
    rotation = torch.cat([axes.index_select(0, parts.decided), rotation])
    body = torch.cat([parts.decided, body.index_select(0, frame)])
    weight = torch.cat([weight.new_ones(len(parts.decided)), weight[frame, order]])
    return in_all_signs(cloud, origin, rotation, body, weight, signs, _exactness(principal, parts, blend))


def _symmetric(
    principal: Principal, parts: Parts, blend: Blend
) -> list[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Rotation, body, weight and rule of frames of bodies whose principal axes do not suffice."""
    bodies, odd, settings = parts.symmetric, principal.odd, principal.settings
    if not len(bodies) or principal.axes.size(-1) == 1:
        return []
    odd, axes = None if odd is None else odd.index_select(0, bodies), principal.axes.index_select(0, bodies)
    given = principal.cloud, principal.origin, bodies, axes, odd, blend, settings.reflects
    rotation, body, weight, rule = symmetric_frames(
        *given, settings.projection, parts.is_free, parts.is_unbounded
    )
    return [(rotation, bodies.index_select(0, body), weight, rule)]


def _exactness(principal: Principal, parts: Parts, blend: Blend) -> Tensor:
    """The highest rank of outputs that frames are exact for, of each body."""
    exact = parts.decided.new_full((principal.cloud.size,), ALL_RANKS)
    if not parts.is_unbounded:
        return exact
    return exact.scatter_(0, parts.symmetric, principal.exactness(blend, parts.symmetric))
