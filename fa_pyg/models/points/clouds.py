"""Batches of point clouds of any sizes, and pooling over the points of each cloud."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch_geometric.utils import scatter

from fa_pyg.batches import check_batch, graph_count
from fa_pyg.math.linalg import check_real, gather
from fa_pyg.math.ragged import index_within_body

__all__ = ["POOLS", "Clouds", "read_clouds"]

POOLS = ("max", "mean")


class Clouds(NamedTuple):
    """The clouds of a batch.

    Attributes:
        batch: the cloud of each point, ``[N]``.
        size: the number of clouds B.
        points: the number of points of every cloud; None where they differ or the batch is not sorted.
    """

    batch: Tensor
    size: int
    points: int | None

    def pool(self, h: Tensor, how: str) -> Tensor:
        """Return the maximum or the mean over the points of each cloud, ``[B, ...]`` of ``[N, ...]``."""
        if self.points is None:
            return scatter(h, self.batch, dim=0, dim_size=self.size, reduce=how)
        h = h.unflatten(0, (self.size, self.points))
        return h.amax(dim=1) if how == "max" else h.mean(dim=1)

    def transform(self, x: Tensor, matrix: Tensor) -> Tensor:
        """Return x A, with the matrix A of the point's cloud: ``x [N, C]``, ``matrix [B, C, D]``."""
        if self.points is not None:
            return (x.unflatten(0, (self.size, self.points)) @ matrix).flatten(0, 1)
        # Padded inside of this product: a matrix for each point would need far more memory.
        counts = torch.bincount(self.batch, minlength=self.size)
        rows = self.batch, index_within_body(self.batch, counts)
        padded = x.new_zeros(self.size, int(counts.max()), x.size(1)).index_put(rows, x)
        return (padded @ matrix)[rows]

    def spread(self, pooled: Tensor) -> Tensor:
        """Return the row of each point's cloud, ``[N, ...]`` of ``[B, ...]``."""
        return gather(pooled, self.batch)


def read_clouds(pos: Tensor, batch: Tensor | None, num_vectors: int = 1) -> Clouds:
    """Return the clouds of a batch, checked.

    Shapes:
        pos ``[N, 3]``, or ``[N, num_vectors, 3]``; batch ``[N]`` or None (one cloud).

    Raises:
        ValueError: for other shapes or types, and for a batch without points.
    """
    shape = f"[N, {num_vectors}, 3]" if num_vectors > 1 else "[N, 3]"
    check_real("pos", pos, f"floating point {shape}")
    if pos.dim() < 2 or pos.size(-1) != 3 or pos[:1].numel() != 3 * num_vectors:
        raise ValueError(f"pos: expected points {shape}, N > 0, found {list(pos.shape)}")
    check_batch(batch)
    if batch is None:
        return Clouds(pos.new_zeros(len(pos), dtype=torch.long), 1, len(pos))
    if batch.shape != pos.shape[:1]:
        raise ValueError(f"batch: expected [{len(pos)}], an entry for each point, found {list(batch.shape)}")
    size = graph_count(batch)
    points, rest = divmod(len(pos), size)
    in_order = torch.arange(size, device=batch.device).repeat_interleave(points)
    return Clouds(batch, size, points if not rest and torch.equal(batch, in_order) else None)
