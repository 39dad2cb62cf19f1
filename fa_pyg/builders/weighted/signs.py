"""Frames in all signs of their axes, in slot-major order."""

from __future__ import annotations

import torch
from torch import Tensor

from fa_pyg.builders.cloud import Cloud
from fa_pyg.frames import Frames
from fa_pyg.frames.posed import PosedFrames
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
    size, count = cloud.size, len(body)
    slot = index_within_body(body, sums(torch.ones_like(body), body, size))  # bincount synchronizes
    order = torch.argsort(slot * size + body)
    slot, rotation, body, weight = (x.index_select(0, order) for x in (slot, rotation, body, weight))
    poses = Frames.made(
        rotation=rotation,
        body=body,
        weight=weight,
        origin=origin,
        batch=cloud.batch,
        num_bodies=size,
        slots=count if size == 1 else int(count == size),
        exact=exact,
    )
    return PosedFrames.of(poses, signs, slot)
