"""Tables of nearest neighbors: equally many for every node."""

from __future__ import annotations

import torch
from torch import Tensor

from fa_pyg import checks
from fa_pyg.neighbors.edges import knn_graph

__all__ = ["knn_table"]


@torch.no_grad()
def knn_table(x: Tensor, k: int, batch: Tensor | None = None, points: int | None = None) -> Tensor:
    """Return the k nearest neighbors of each node within its graph, the node itself first, ``[N, k]``.

    :func:`~fa_pyg.neighbors.knn_graph` in the layout of dense tensors. Neighbors of nodes in graphs of fewer
    than k nodes are repeated, from the nearest on; a node with an entry that is NaN or infinite is its own
    neighbor.

    Args:
        x: positions or features.
        k: number of neighbors, counting the node.
        batch: the graph of each node, in any order.
        points: the number of nodes of every graph, if all have equally many and ``batch`` is sorted:
            distances are then computed by one batched matrix product, which is several times faster.

    Shapes: ``x [N, d]``, ``batch [N]``; returns ``[N, k]``, int64.

    Raises:
        ValueError: for wrong shapes, types or values.

    Not guaranteed: of points at the same distance up to rounding, the same for a rotated or reordered cloud;
        nor
    that the node is first among coincident ones.
    """
    checks.integer("k", k)
    if points is not None:
        return _in_equal_graphs(x, k, points)
    source, target = knn_graph(x, k, batch, loop=True)
    node = torch.arange(len(x), device=x.device)
    count = torch.bincount(target, minlength=len(x))
    first = torch.where(count > 0, count.cumsum(0) - count, len(source) + node)
    place = torch.arange(k, device=x.device) % count.clamp(min=1).unsqueeze(1)
    return torch.cat([source, node])[first.unsqueeze(1) + place]


def _in_equal_graphs(x: Tensor, k: int, points: int) -> Tensor:
    x = x.detach().unflatten(0, (-1, points))
    x = x - x.mean(dim=1, keepdim=True)  # the squares below would cancel
    square = x.square().sum(-1)
    # Without the square of the node itself, which is the same for all of its neighbors.
    distance = torch.baddbmm(square.unsqueeze(1), x, x.transpose(1, 2), alpha=-2)
    near = distance.topk(min(k, points), dim=2, largest=False).indices
    near = near + torch.arange(0, len(x) * points, points, device=x.device).view(-1, 1, 1)
    near = near.flatten(0, 1)
    return near if k <= points else near[:, torch.arange(k, device=x.device) % points]
