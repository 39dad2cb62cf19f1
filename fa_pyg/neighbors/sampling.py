"""Farthest point sampling in batches of point clouds, in plain tensor operations on any device."""

from __future__ import annotations

import torch
from torch import Tensor

from fa_pyg import checks
from fa_pyg.neighbors.points import Points, by_graph, checked, in_range, numbered

__all__ = ["fps"]

SAMPLED, PADDING = -1.0, -2.0  # in place of squared distances: never the farthest


@torch.no_grad()
def fps(
    x: Tensor,
    batch: Tensor | None = None,
    ratio: float = 0.5,
    random_start: bool = True,
    batch_size: int | None = None,
    num_samples: int | None = None,
) -> Tensor:
    r"""Farthest point sampling of each point cloud (PointNet++, Qi et al. 2017).

    .. math:: i_{t+1} = \arg\max_i \min_{s \le t} |x_i - x_{i_s}|

    With the signature of :func:`torch_geometric.nn.fps`, which needs a compiled library. Exact: of equally
    distant points the one of lowest index is taken, and no point twice, so that a ratio of 1 returns all.

    Args:
        x: positions or features; points with a NaN or infinite coordinate are not sampled, nor counted.
        batch: the cloud of each point, in any order.
        ratio: share of the points of each cloud, rounded up.
        random_start: start at a random point of each cloud, drawn from the global generator; else at its
            first.
        batch_size: the number of clouds; default from ``batch``.
        num_samples: so many points of each cloud, or all of a smaller one, instead of a ratio.

    Shapes: ``x [N, d]`` or ``[N]``, ``batch [N]``; returns indices ``[M]``, int64, sorted by cloud, then in
    the order of sampling.

    Raises:
        ValueError: for wrong shapes, types or values.

    Memory is a few times that of ``x``. Time scales with the points of all clouds times the samples of one;
    the loop is over samples, for clouds of similar size together.

    Not guaranteed: the same points for a rotated cloud if distances are equal up to rounding.
    """
    checks.number("ratio", ratio, most=1, above=0)
    checks.integer("num_samples", num_samples, optional=True)
    checks.flag("random_start", random_start)
    x, batch = checked(x, batch, "x", "batch")
    batch, _, graphs = numbered(batch, batch, batch_size)
    x, _ = in_range(x, x, None)
    points, node = by_graph(x, batch, graphs)
    size = points.size
    wide = torch.float32 if x.device.type == "mps" else torch.float64  # counts are exact
    count = (size.to(wide) * ratio).ceil().long() if num_samples is None else size.clamp(max=num_samples)
    start = torch.zeros_like(size)
    if random_start:
        start = (torch.rand(graphs, dtype=wide, device=x.device) * size).long()
    start = start.minimum((size - 1).clamp(min=0))  # a product may be rounded up
    order = torch.empty(int(count.sum()), dtype=torch.long, device=x.device)
    first = count.cumsum(0) - count
    level = torch.frexp(size.float()).exponent  # clouds of the same level differ by less than a factor of 2
    for some in (level == one for one in level[size > 0].unique()):
        graph = some.nonzero().view(-1)
        sampled = _sample(points, graph, start[graph], int(count[graph].max()))
        step = torch.arange(sampled.size(1), device=x.device)
        taken = step < count[graph, None]
        order[(first[graph, None] + step)[taken]] = (points.ptr[graph, None] + sampled)[taken]
    return node[order]


def _sample(points: Points, graph: Tensor, current: Tensor, steps: int) -> Tensor:
    """Sample clouds together: indices within each cloud, ``[len(graph), steps]``, from the first on."""
    size, ptr = points.size[graph, None], points.ptr[graph, None]
    place = torch.arange(int(size.max()), device=graph.device)
    index = (ptr + place.minimum(size - 1)).view(-1)
    axes = [axis[index].view(len(graph), -1) for axis in points.axes]
    nearest = torch.where(place < size, torch.inf, PADDING).to(axes[0])
    found, dist2, difference = [], torch.empty_like(nearest), torch.empty_like(nearest)
    for _ in range(steps):
        current = current[:, None]
        found.append(current)
        dist2.zero_()
        for axis in axes:
            torch.sub(axis, axis.gather(1, current), out=difference)
            dist2.addcmul_(difference, difference)
        torch.minimum(nearest, dist2, out=nearest).scatter_(1, current, SAMPLED)
        current = nearest.argmax(dim=1)
    return torch.cat(found, dim=1)
