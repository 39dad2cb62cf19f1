"""Tables of nearest neighbors: equally many for every node."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from fa_pyg import checks
from fa_pyg.neighbors.edges import knn_graph

__all__ = ["knn_table"]

LARGEST = 2048  # nodes of a graph up to which all distances are computed
AT_ONCE = 2**20  # distances: they stay in the cache of a CPU


@torch.no_grad()
def knn_table(
    x: Tensor, k: int, batch: Tensor | None = None, points: int | None = None, ordered: bool = True
) -> Tensor:
    """Return the k nearest neighbors of each node within its graph, counting the node itself, ``[N, k]``.

    :func:`~fa_pyg.neighbors.knn_graph` in the layout of dense tensors. In graphs of fewer than k nodes the
    neighbors of a node are repeated, from the nearest on. A node with an entry that is NaN or infinite is its
    own neighbor; with ``points``, neighbors are arbitrary in the graph of such a node.

    Args:
        x: positions or features.
        k: number of neighbors.
        batch: the graph of each node, in any order.
        points: the number of nodes of every graph, if all have equally many and ``batch`` is sorted: faster
            for graphs up to 2048 nodes. In float64, distances are then rounded to half of the digits of the
            largest in the graph: those equal by symmetry are equal, and the table of a rotated graph is the
            same.
        ordered: sort the neighbors by distance, which graphs of fewer than k nodes have done anyway.

    Shapes: ``x [N, d]``, ``batch [N]``; returns ``[N, k]``, int64.

    Raises:
        ValueError: for wrong shapes, types or values.

    Not guaranteed: a choice between equal distances that is independent of the order of the nodes; nor, in
    float32 or without ``points``, of rotations.
    """
    checks.integer("k", k)
    if points is not None and points <= LARGEST:
        near = _in_equal_graphs(x, min(k, points), points, ordered or k > points)
        return near if k <= points else near[:, torch.arange(k, device=x.device) % points]
    source, target = knn_graph(x, k, batch, loop=True)
    node = torch.arange(len(x), device=x.device)
    count = torch.bincount(target, minlength=len(x))
    first = torch.where(count > 0, count.cumsum(0) - count, len(source) + node)
    place = torch.arange(k, device=x.device) % count.clamp(min=1).unsqueeze(1)
    return torch.cat([source, node])[first.unsqueeze(1) + place]


def _in_equal_graphs(x: Tensor, k: int, points: int, ordered: bool) -> Tensor:
    x = x.to(torch.promote_types(x.dtype, torch.float32)).unflatten(0, (-1, points))
    x = x - x.mean(dim=1, keepdim=True)  # squares of large coordinates would cancel
    parts = x.split(max(AT_ONCE // points**2, 1))
    near = torch.cat([_smallest(_distances(part), k, ordered) for part in parts])
    return (near + torch.arange(0, len(x) * points, points, device=x.device).view(-1, 1, 1)).flatten(0, 1)


def _distances(x: Tensor) -> Tensor:
    distance = torch.cdist(x, x)  # in float32 under autocast
    if distance.dtype != torch.float64:
        return distance
    largest = distance.amax(dim=(1, 2), keepdim=True)
    step = largest.clamp(min=torch.finfo(torch.float64).tiny) * torch.finfo(torch.float64).eps ** 0.5
    return distance.div_(step).round_()


def _smallest(distance: Tensor, k: int, ordered: bool) -> Tensor:
    """Indices of the k smallest entries along the last axis."""
    if distance.device.type != "cpu":
        return distance.topk(k, largest=False, sorted=ordered).indices
    # Twice as fast as torch's topk on a CPU, where that takes a third of the time of a network.
    near = torch.from_numpy(np.argpartition(distance.numpy(), k - 1)[..., :k])
    return near.gather(-1, distance.gather(-1, near).argsort(stable=True)) if ordered else near
