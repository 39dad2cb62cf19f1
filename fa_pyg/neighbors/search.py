"""Exact neighbor search in batches of point clouds, in plain tensor operations on any device."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from fa_pyg.neighbors.blocks import Pairs, Points, cells, compare, whole_graphs

__all__ = ["search"]

CELL_DIMENSIONS = 3  # beyond, 3^(d-1) ranges cost more than they save
GRAPH_LIMIT = 768  # mean number of points per query, up to which whole graphs are faster than cells
SAMPLE = 32  # queries per graph that are compared with all points, to estimate the distance of k neighbors
MOST = 2**29  # edges
GROWTH = 1.5  # of the radius, for queries with fewer than k neighbors so far


def search(
    query: Points, point: Points, k: int | None, r: float, loop: bool | None, nearest_first: bool
) -> tuple[Tensor, Tensor]:
    """Find all pairs within a graph closer than r, but at most the k nearest points of each query.

    Args:
        query, point: sorted by graph.
        k: largest number of points per query, of equally distant points those of lower index; None for all.
        r: radius.
        loop: None for different sets; for the same set, whether the query itself counts as its nearest point
            or is dropped.
        nearest_first: sort the points of a query by distance, else by index.

    Shapes: indices of queries, ascending, and of points, ``[E]``.

    Raises:
        ValueError: for more than 2^29 pairs.
    """
    limit = None if k is None else k + int(loop is False)
    keys, total = [], 0
    for pairs in _within(query, point, limit, r, self_first=bool(loop)):
        if loop is False:
            pairs = pairs.select((pairs.row != pairs.col).nonzero().view(-1))
        keys.append(_nearest(pairs, k, nearest_first).key)
        total += len(keys[-1])
        if total > MOST:
            raise ValueError(f"r: expected at most {MOST} edges, found more; try a smaller r, or a limit")
    key = _rows_in_order(torch.cat(keys))
    return key >> 32, key & (2**32 - 1)


def _rows_in_order(key: Tensor) -> Tensor:
    row = key >> 32
    if not (row[1:] < row[:-1]).any():
        return key
    row, count = torch.unique_consecutive(row, return_counts=True)
    order = row.argsort()
    first, count = (count.cumsum(0) - count)[order], count[order]
    offset = torch.repeat_interleave(first - (count.cumsum(0) - count), count)
    return key.index_select(0, offset.add_(torch.arange(key.numel(), device=key.device)))


def _nearest(pairs: Pairs, k: int | None, nearest_first: bool) -> Pairs:
    """Keep the k nearest pairs of each row; pairs are sorted by row and column."""
    too_many = False
    if k is not None:
        too_many = bool((torch.unique_consecutive(pairs.row, return_counts=True)[1] > k).any())
    if not (too_many or nearest_first):
        return pairs
    order = _by_distance(pairs)
    if k is not None and too_many:
        count = torch.unique_consecutive(pairs.row[order], return_counts=True)[1]
        first = torch.repeat_interleave(count.cumsum(0) - count, count)
        order = order[torch.arange(first.numel(), device=first.device) < first + k]
    return pairs.select(order if nearest_first else order.sort().values)


def _by_distance(pairs: Pairs) -> Tensor:
    """Stable order by row, then distance."""
    row = pairs.row
    if (
        pairs.dist2.dtype == torch.float32
    ):  # floats of the same sign compare like their bits: a single sort of integers
        return ((row << 32) + pairs.dist2.view(torch.int32)).sort(stable=True).indices
    order = pairs.dist2.argsort(stable=True)
    return order[row[order].argsort(stable=True)]


def _within(query: Points, point: Points, limit: int | None, r: float, self_first: bool) -> Iterator[Pairs]:
    """Yield all pairs closer than r, or at least the ``limit`` nearest of each query, in complete rows.

    With a limit, start at a small radius and widen it for queries without enough points.
    """
    pending = torch.arange(query.batch.numel(), device=query.batch.device)
    radius = torch.zeros_like(query.ptr[1:], dtype=torch.float64)
    while pending.numel():
        some, left = query.select(pending), [pending[:0]]
        whole = len(query.axes) > CELL_DIMENSIONS or _is_cheap(some, point)
        radius = radius.fill_(r) if whole or limit is None else _next_radius(some, point, limit, r, radius)
        groups = whole_graphs(some, point, pending) if whole else cells(some, point, pending, radius)
        for row, count, pairs in compare(query, point, groups, limit, radius, self_first):
            done = radius[query.batch[row]] >= r
            if not done.all():
                done |= count >= point.size[query.batch[row]].clamp(max=limit)
                pairs = pairs.select(torch.repeat_interleave(done, count).nonzero().view(-1))
                left.append(row[~done])
            yield pairs
        pending = torch.cat(left).sort().values


def _is_cheap(query: Points, point: Points) -> bool:
    comparisons = (query.size * point.size).sum()
    return bool(comparisons <= GRAPH_LIMIT * max(query.batch.numel(), 2048))


def _next_radius(query: Points, point: Points, limit: int, r: float, radius: Tensor) -> Tensor:
    """Larger radius for each graph, within which many of the queries have enough points."""
    wider = torch.full_like(radius, r)
    graph = ((query.size > 0) & (point.size > GRAPH_LIMIT // 4)).nonzero().view(-1)  # small ones take r
    far = _distance_of_some(query, point, limit, graph)
    # First enough for most queries; later the least, else the last ones would get all of a dense region.
    enough = torch.where(radius[graph] > 0, far[:, 0], far[:, SAMPLE // 8]) * 1.25
    enough = enough.maximum(torch.where(far > 0, far, torch.inf).amin(dim=1))  # not 0 for coincident points
    wider[graph] = enough.maximum(radius[graph] * GROWTH)
    return torch.where(wider * GROWTH < r, wider, r)  # do not stop just below r


def _distance_of_some(query: Points, point: Points, limit: int, graph: Tensor) -> Tensor:
    """Distances ``[len(graph), SAMPLE]`` from sampled queries to their ``limit``-th point, ascending."""
    spread = torch.arange(SAMPLE, device=graph.device) * query.size[graph, None] // SAMPLE
    index = query.ptr[graph, None] + spread
    some = torch.unique_consecutive(index)
    far = torch.zeros_like(query.axes[0])
    anywhere = torch.full_like(query.ptr[1:], torch.inf, dtype=torch.float64)
    groups = whole_graphs(query.select(some), point, some)
    for _, _, pairs in compare(query, point, groups, limit, anywhere, self_first=False):
        pairs = _nearest(pairs, limit, nearest_first=False)
        far.scatter_reduce_(0, pairs.row, pairs.dist2, "amax")
    return far[index].double().sqrt().sort(dim=1).values
