"""Slot-major order of frames: slot k lists every body with at least k + 1 frames."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from fa_pyg import checks
from fa_pyg.math.linalg import check_real
from fa_pyg.math.ragged import index_within_body

__all__ = ["rows_by_slot", "slot_major"]


def rows_by_slot(body: Tensor, counts: Tensor, sizes: list[int]) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the rows of each slot, ascending, and their frames.

    Args:
        body: the body of each row.
        counts: the number of frames of each body; frames are sorted by slot, then by body.
        sizes: the number of bodies in each slot.
    """
    row, frame, first = torch.arange(len(body), device=body.device), body, 0
    for slot, size in enumerate(sizes):
        if slot:  # slot 0 is the batch itself
            has = counts > slot
            kept = has.index_select(0, body).nonzero().squeeze(1)
            row, body = row.index_select(0, kept), body.index_select(0, kept)
            frame = (has.cumsum(0) + (first - 1)).index_select(0, body)
        yield row, frame
        first += size


def slot_major(
    rotation: Tensor, body: Tensor | None, weight: Tensor | None, origin: Tensor | None, size: int | None
) -> dict[str, Any]:
    """Return the fields of :class:`~fa_pyg.Frames` that a user passes: checked, completed and sorted."""
    check_real("rotation", rotation, "floating point [F, d, d]")
    for name, value in (("body", body), ("weight", weight), ("origin", origin)):
        checks.instance(name, value, Tensor, "a tensor", optional=True)
    if origin is not None:
        check_real("origin", origin)
    size = checks.integer("num_bodies", size, 0, optional=True)
    if rotation.dim() != 3 or rotation.size(1) != rotation.size(2) or not rotation.is_floating_point():
        raise ValueError(
            f"rotation: expected floating point [F, d, d], found {rotation.dtype} {list(rotation.shape)}"
        )
    count = len(rotation)
    body = torch.arange(count, device=rotation.device) if body is None else body
    if body.shape != (count,) or body.dtype != torch.long:
        raise ValueError(f"body: expected {count} integers (int64), found {body.dtype} {list(body.shape)}")
    if size is None:
        size = int(body.max()) + 1 if count else 0
    if count and not (int(body.min()) >= 0 and int(body.max()) < size):
        raise ValueError(
            f"body: expected numbers from 0 to {size - 1}, found {int(body.min())} to {int(body.max())}"
        )
    counts = torch.bincount(body, minlength=size)
    if size and not counts.all():
        missing = (counts == 0).nonzero()[0].item()
        raise ValueError(f"body: expected a frame for each of {size} bodies, found none for {missing}")
    weight = 1 / counts.index_select(0, body).to(rotation.dtype) if weight is None else weight
    if weight.shape != (count,) or not weight.is_floating_point():
        raise ValueError(f"weight: expected {count} numbers, found {weight.dtype} {list(weight.shape)}")
    if origin is not None and origin.shape != (size, rotation.size(1)):
        raise ValueError(f"origin: expected {[size, rotation.size(1)]}, found {list(origin.shape)}")
    order = torch.argsort(index_within_body(body, counts) * size + body)
    most = int(counts.max()) if size else 1
    return {
        "rotation": rotation.index_select(0, order),
        "body": body.index_select(0, order),
        "weight": weight.index_select(0, order),
        "num_bodies": size,
        "slots": most if count == most * size else 0,
    }
