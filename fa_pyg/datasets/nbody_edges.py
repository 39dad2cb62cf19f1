"""Edges of n-body systems, and the products of the charges at their ends."""

from __future__ import annotations

import torch
from torch import Tensor

from fa_pyg.neighbors import knn_graph

__all__ = ["all_pairs", "nearest_pairs"]


def all_pairs(charge: Tensor) -> tuple[Tensor, Tensor]:
    """Return every ordered pair of each of S systems of equal size, one system after another.

    Shapes: ``charge [S, n, 1]``; returns ``edge_index [2, S n (n - 1)]``, numbered within each system, and
    ``edge_attr [S n (n - 1), 1]``.
    """
    samples, n = charge.shape[:2]
    row, col = (~torch.eye(n, dtype=torch.bool)).nonzero().t()
    return torch.stack([row, col]).repeat(1, samples), (charge[:, row] * charge[:, col]).flatten(0, 1)


def nearest_pairs(pos: Tensor, charge: Tensor, k: int, batch: Tensor) -> tuple[Tensor, Tensor]:
    """Return the edges to every particle from the k nearest of its system, all of which have more than k.

    A coordinate that is not finite, as in a diverged trajectory, counts as zero: the number of edges is
    always k per particle.

    Shapes: ``pos [N, 3]``, ``charge [N, 1]``, ``batch [N]``; returns ``edge_index [2, N k]``, numbered within
    the batch, and ``edge_attr [N k, 1]``.
    """
    edge_index = knn_graph(pos.nan_to_num(0.0, 0.0, 0.0), k, batch)
    row, col = edge_index
    return edge_index, charge[row] * charge[col]
