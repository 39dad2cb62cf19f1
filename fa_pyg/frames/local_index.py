"""Index of each node within its graph, and checked node orders."""

from __future__ import annotations

import torch
from torch import Tensor

from fa_pyg import checks
from fa_pyg.math.ragged import index_within_body
from fa_pyg.typed import integers

__all__ = ["LocalIndex", "checked_orders"]


class LocalIndex:
    """Index of each node (or edge) of a batch within its graph.

    Args:
        body: the graph of each.
        size: the number of graphs B.
    """

    def __init__(self, body: Tensor, size: int) -> None:
        self.body = body
        self.counts = torch.bincount(body, minlength=size)
        self.start = self.counts.cumsum(0) - self.counts
        self.by_body = torch.argsort(body, stable=True)
        self.local = index_within_body(body, self.counts, self.by_body)

    def to_batch(self, body: Tensor, local: Tensor) -> Tensor:
        """Return the indices in the batch of these indices within graphs."""
        return self.by_body.index_select(0, self.start.index_select(0, body) + local)


def checked_orders(
    order: Tensor, sizes: Tensor, body: Tensor | None, weight: Tensor | None, batch: Tensor | None
) -> dict[str, Tensor | int]:
    """Return the fields of frames that a user passes: checked, completed and in slot-major order."""
    given = {"order": order, "sizes": sizes, "body": body, "weight": weight, "batch": batch}
    for name, value in given.items():
        checks.instance(name, value, Tensor, "a tensor", optional=name not in ("order", "sizes"))
    size = len(sizes) if sizes.dim() else 0
    for name, value in (("order", order), ("sizes", sizes), ("body", body), ("batch", batch)):
        if value is not None and (value.dtype != torch.long or value.dim() != 1 or bool((value < 0).any())):
            raise ValueError(
                f"{name}: expected integers >= 0 (int64), found {value.dtype} {list(value.shape)}"
            )
    graphs = torch.arange(size, device=sizes.device)
    body = graphs if body is None else body
    batch = graphs.repeat_interleave(sizes) if batch is None else batch
    counts = torch.bincount(body, minlength=size)
    if len(counts) != size or not bool(counts.all()):
        raise ValueError(
            f"body: expected at least one frame for each of {size} graphs, found {integers(body)}"
        )
    if not torch.equal(torch.bincount(batch, minlength=size), sizes):
        raise ValueError(
            f"batch: expected the sizes {integers(sizes)}, found {integers(torch.bincount(batch))}"
        )
    length = sizes[body]
    frame = torch.arange(len(body), device=sizes.device).repeat_interleave(length)
    if len(frame) != len(order):
        raise ValueError(f"order: expected {len(frame)} positions in all frames, found {len(order)}")
    begin = length.cumsum(0) - length
    local = bool(((order >= 0) & (order < length[frame])).all())
    taken = begin[frame] + order
    if not (local and bool((torch.bincount(taken, minlength=len(frame)) == 1).all())):
        raise ValueError(
            "order: expected a permutation of 0, ..., n - 1 for each frame, found repeated or other numbers"
        )
    weight = 1 / counts[body].double() if weight is None else weight
    if weight.shape != body.shape:
        raise ValueError(f"weight: expected {len(body)} numbers, found {list(weight.shape)}")
    by_slot = torch.argsort(index_within_body(body, counts) * size + body)
    slot = torch.empty_like(by_slot).scatter_(0, by_slot, torch.arange(len(body), device=sizes.device))
    order = order[torch.argsort(slot[frame], stable=True)]
    most = int(counts.max()) if size else 1
    slots = most if len(body) == most * size else 0
    return {"order": order, "body": body[by_slot], "weight": weight[by_slot], "batch": batch, "slots": slots}
