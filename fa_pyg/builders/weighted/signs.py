"""Frames in all signs of their axes, in slot-major order."""

from __future__ import annotations

import torch
from torch import Tensor

from fa_pyg.builders.cloud import Cloud
from fa_pyg.frames import Frames
from fa_pyg.math.ragged import index_within_body

__all__ = ["in_all_signs"]


def in_all_signs(
    cloud: Cloud,
    origin: Tensor | None,
    rotation: Tensor,
    body: Tensor,
    weight: Tensor,
    signs: Tensor,
    exact: Tensor,
) -> Frames:
    """Return every frame in k patterns of signs, which share its weight; at least one frame of each body.

    Shapes:
        rotation ``[F, d, d]``, body and weight ``[F]``, signs ``[k, d]``, exact ``[B]``; k F frames.
    """
    size, k, count = cloud.size, len(signs), len(body)
    slot = index_within_body(body, torch.bincount(body, minlength=size))
    order = torch.argsort(slot * size + body)
    slot, body, weight = (x.index_select(0, order) for x in (slot, body, weight / k))
    rotation = rotation.index_select(0, order) * signs[:, None, None]
    body, weight = body.expand(k, -1), weight.expand(k, -1)
    if count > size:  # the first frames of all bodies are in order; the others are few
        pattern = torch.arange(k, device=body.device).unsqueeze(1)
        order = torch.argsort(((slot[size:] * k + pattern) * size + body[:, size:]).flatten())
        split = ((x[:, :size].flatten(0, 1), x[:, size:].flatten(0, 1)) for x in (rotation, body, weight))
        rotation, body, weight = (torch.cat([first, rest[order]]) for first, rest in split)
    else:
        rotation, body, weight = (x.flatten(0, 1) for x in (rotation, body, weight))
    slots = k * count if size == 1 else k * (count == size)
    given = {"origin": origin, "batch": cloud.batch, "num_bodies": size, "slots": slots, "exact": exact}
    return Frames.made(rotation=rotation, body=body, weight=weight, **given)
