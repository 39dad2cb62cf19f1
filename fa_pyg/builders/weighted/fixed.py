"""Weighted frames of fixed shape: at most k frames of each body, padded, for compilers and CUDA graphs."""

from __future__ import annotations

from dataclasses import replace
from math import factorial

import torch
from torch import Tensor

from fa_pyg.builders.pca import make_proper
from fa_pyg.builders.weighted.blend import Blend
from fa_pyg.builders.weighted.orders import order_weights, reordered
from fa_pyg.builders.weighted.padded import Padded
from fa_pyg.builders.weighted.padded_rays import padded_symmetric
from fa_pyg.builders.weighted.principal import Principal
from fa_pyg.builders.weighted.tables import GIVEN, SORTED
from fa_pyg.frames import Frames

__all__ = ["frames_of_fixed_number"]


def frames_of_fixed_number(principal: Principal, signs: Tensor, k: int) -> tuple[Frames, Tensor]:
    """Return at most k weighted frames of each body, without a sync, and whether bodies ``[B]`` have more.

    The latter have NaN weights. Frames of weight 0 are copies of the first one of their body. Where k is too
    small for those of a point, it has frames in all signs alone, which average tensors of rank 1 to 0.
    """
    blend = principal.gaps.blend()
    few = blend.point if k < len(signs) * factorial(principal.axes.size(-1)) else None
    if principal.odd is None:
        padded = _in_all_signs(principal, blend, signs, k, few)
    else:
        padded = _in_chosen_signs(principal, principal.odd, blend, signs, k, few)
    exact = principal.exactness(blend)
    rotation, size, cloud = padded.filled().rotation, principal.axes.size(0), principal.cloud
    weight = padded.weight.masked_fill(padded.overflow, torch.nan)
    frames = Frames.made(
        rotation=rotation.flatten(0, 1),
        body=torch.arange(size, device=weight.device).repeat(weight.size(0)),
        weight=weight.flatten(),
        origin=principal.origin,
        batch=cloud.batch,
        num_bodies=cloud.size,
        slots=weight.size(0),
        exact=exact if few is None else torch.where(few, exact.clamp(max=1), exact),
    )
    return frames, padded.overflow


def _in_chosen_signs(
    principal: Principal, odd: Tensor, blend: Blend, signs: Tensor, k: int, few: Tensor | None
) -> Padded:
    """At most k frames in the signs of positive weight."""
    rotation = principal.axes * signs[:, None, None]
    weight = principal.settings.projection.dense(odd @ signs.T).T * blend.generic
    return _with_symmetric(principal, blend, rotation, weight, k, few).largest(k)


def _in_all_signs(principal: Principal, blend: Blend, signs: Tensor, k: int, few: Tensor | None) -> Padded:
    """At most k frames in all signs, and in the orders of positive weight."""
    n = k // len(signs)
    frames = _with_symmetric(principal, blend, principal.axes[None], blend.generic[None], n, None)
    if few is not None:
        frames = replace(frames, rule=torch.where(few, GIVEN, frames.rule))
    frames = _in_orders(frames, principal, n)
    rotation = (frames.rotation.unsqueeze(1) * signs[:, None, None]).flatten(0, 1)
    weight, rule = (x.repeat_interleave(len(signs), 0) for x in (frames.weight, frames.rule))
    return replace(frames, rotation=rotation, weight=weight / len(signs), rule=rule)


def _with_symmetric(
    principal: Principal, blend: Blend, rotation: Tensor, weight: Tensor, k: int, few: Tensor | None
) -> Padded:
    """Frames of principal axes, and at most k others of bodies whose principal axes do not suffice."""
    rule = torch.full_like(weight, SORTED, dtype=torch.long)
    frames = Padded(rotation, weight, rule, torch.zeros_like(blend.point))
    if principal.axes.size(-1) == 1:
        return frames
    return frames.beside(padded_symmetric(principal, blend, k, few))


def _in_orders(frames: Padded, principal: Principal, k: int) -> Padded:
    """At most k frames of each body: these, with their axes in all orders of positive weight."""
    n, size, d, _ = frames.rotation.shape
    rotation, rule = frames.rotation.flatten(0, 1), frames.rule.flatten()
    second, scale, settings = principal.second.repeat(n, 1, 1), principal.scale.repeat(n), principal.settings
    share = order_weights(rotation, second, scale, rule, settings.of_orders)
    count = share.size(1)
    order = torch.arange(count, device=share.device).unsqueeze(1).expand(-1, n * size).flatten()
    rotation = reordered(rotation.repeat(count, 1, 1), order)
    rotation = (rotation if settings.reflects else make_proper(rotation)).view(count * n, size, d, d)
    weight = (frames.weight * share.T.reshape(count, n, size)).flatten(0, 1)
    return Padded(rotation, weight, frames.rule.repeat(count, 1), frames.overflow).largest(k)
