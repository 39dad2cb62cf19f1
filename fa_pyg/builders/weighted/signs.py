"""Frames in all signs of their axes, in slot-major order."""

from __future__ import annotations

import torch
from torch import Tensor

from fa_pyg.builders.cloud import Cloud
from fa_pyg.frames import Frames
from fa_pyg.math.columns import sums
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
    slot = index_within_body(body, sums(torch.ones_like(body), body, size))  # bincount synchronizes
    order = torch.argsort(slot * size + body)
    slot, body, weight = (x.index_select(0, order) for x in (slot, body, weight / k))
    rotation = rotation.index_select(0, order)

    def in_signs(some: slice) -> tuple[Tensor, Tensor, Tensor]:
        turned = (rotation[some] * signs[:, None, None]).flatten(0, 1)
        return turned, body[some].repeat(k), weight[some].repeat(k)

    frames = in_signs(slice(size))  # the first frames of all bodies are in order; the others are few
    if count > size:
        rest = in_signs(slice(size, None))
        pattern = torch.arange(k, device=body.device).unsqueeze(1)
        order = torch.argsort(((slot[size:] * k + pattern) * size + body[size:]).flatten())
        frames = tuple(torch.cat([x, y.index_select(0, order)]) for x, y in zip(frames, rest, strict=True))
    rotation, body, weight = frames
    slots = k * count if size == 1 else k * (count == size)
    given = {"origin": origin, "batch": cloud.batch, "num_bodies": size, "slots": slots, "exact": exact}
    return Frames.made(rotation=rotation, body=body, weight=weight, **given)
