"""Exact neighbour search in batches of point clouds, in plain tensor operations on any device."""

from collections.abc import Iterator

import torch
from torch import Tensor

from fa_pyg.neighbors.blocks import Pairs, Points, cells, compare, whole_graphs

CELL_DIMENSIONS = 3  # beyond, 3^(d-1) ranges cost more than they save
GRAPH_LIMIT = 768  # points a query sees on average, up to which whole graphs are faster than cells
SAMPLE = 32  # queries a graph that are compared with all its points, to learn how far k neighbours are
MOST = 2**29  # edges
GROWTH = 1.5  # of the radius, for the queries which have not found k neighbours


def search(
    query: Points, point: Points, k: int | None, r: float, loop: bool | None, nearest_first: bool
) -> tuple[Tensor, Tensor]:
    """Row and column of all pairs within a graph closer than r, but at most the k nearest of each query.

    Rows ascend. Within a row come either the nearest first or the lowest column first. Of equally distant
    points at the k-th place the lower column is kept. `loop` is None where queries and points are different
    sets; else they are the same, and a query's own point is dropped (False) or counts as its nearest
    (True).
    """
    limit = None if k is None else k + int(loop is False)
    keys, total = [], 0
    for pairs in _within(query, point, limit, r, own_first=bool(loop)):
        if loop is False:
            pairs = pairs.select((pairs.row != pairs.col).nonzero().view(-1))
        keys.append(_nearest(pairs, k, nearest_first).key)
        total += len(keys[-1])
        if total > MOST:
            raise ValueError(
                f"r must leave at most {MOST} edges, found more: a smaller one, or fewer neighbors"
            )
    key = _rows_in_order(torch.cat(keys))
    return key >> 32, key & (2**32 - 1)


def _rows_in_order(key: Tensor) -> Tensor:
    row = key >> 32
    if not (row[1:] < row[:-1]).any():
        return key
    row, count = torch.unique_consecutive(row, return_counts=True)
    order = row.argsort()
    first, count = (count.cumsum(0) - count)[order], count[order]
    place = torch.repeat_interleave(first - (count.cumsum(0) - count), count)
    return key.index_select(0, place.add_(torch.arange(key.numel(), device=key.device)))


def _nearest(pairs: Pairs, k: int | None, nearest_first: bool) -> Pairs:
    """The k nearest of each row, of pairs that come row by row, lowest column first."""
    too_many = False
    if k is not None:
        too_many = bool((torch.unique_consecutive(pairs.row, return_counts=True)[1] > k).any())
    if not (too_many or nearest_first):
        return pairs
    order = _by_distance(pairs)
    if too_many:
        count = torch.unique_consecutive(pairs.row[order], return_counts=True)[1]
        first = torch.repeat_interleave(count.cumsum(0) - count, count)
        order = order[torch.arange(first.numel(), device=first.device) < first + k]
    return pairs.select(order if nearest_first else order.sort().values)


def _by_distance(pairs: Pairs) -> Tensor:
    """The order by (row, distance); equal distances stay in the order they are in."""
    row = pairs.row
    if pairs.dist2.dtype == torch.float32:  # floats of one sign compare like their bits: one sort of integers
        return ((row << 32) + pairs.dist2.view(torch.int32)).sort(stable=True).indices
    order = pairs.dist2.argsort(stable=True)
    return order[row[order].argsort(stable=True)]


def _within(query: Points, point: Points, limit: int | None, r: float, own_first: bool) -> Iterator[Pairs]:
    """All pairs closer than r, or at least the `limit` nearest of each query, in chunks of complete rows.

    With a limit, start at a small radius and widen it for those queries that have not found enough points.
    """
    pending = torch.arange(query.batch.numel(), device=query.batch.device)
    radius = torch.zeros_like(query.ptr[1:], dtype=torch.float64)
    while pending.numel():
        some, left = query.select(pending), [pending[:0]]
        whole = len(query.axes) > CELL_DIMENSIONS or _is_cheap(some, point)
        radius = radius.fill_(r) if whole or limit is None else _next_radius(some, point, limit, r, radius)
        groups = whole_graphs(some, point, pending) if whole else cells(some, point, pending, radius)
        for row, count, pairs in compare(query, point, groups, limit, radius, own_first):
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
    """Per graph a larger radius, in which a good part of the queries has enough points."""
    wider = torch.full_like(radius, r)
    graph = ((query.size > 0) & (point.size > GRAPH_LIMIT // 4)).nonzero().view(-1)  # small ones at once
    far = _distance_of_some(query, point, limit, graph)
    # First what most queries need; later the least, or the last ones of a dense region would see all of it.
    enough = torch.where(radius[graph] > 0, far[:, 0], far[:, SAMPLE // 8]) * 1.25
    enough = enough.maximum(torch.where(far > 0, far, torch.inf).amin(dim=1))  # coincident points: not 0
    wider[graph] = enough.maximum(radius[graph] * GROWTH)
    return torch.where(wider * GROWTH < r, wider, r)  # a last step that is nearly r becomes r


def _distance_of_some(query: Points, point: Points, limit: int, graph: Tensor) -> Tensor:
    """Ascending distances [len(graph), SAMPLE] from some of a graph's queries to their `limit`-th point."""
    spread = torch.arange(SAMPLE, device=graph.device) * query.size[graph, None] // SAMPLE
    index = query.ptr[graph, None] + spread
    some = torch.unique_consecutive(index)
    far = torch.zeros_like(query.axes[0])
    anywhere = torch.full_like(query.ptr[1:], torch.inf, dtype=torch.float64)
    groups = whole_graphs(query.select(some), point, some)
    for _, _, pairs in compare(query, point, groups, limit, anywhere, own_first=False):
        pairs = _nearest(pairs, limit, nearest_first=False)
        far.scatter_reduce_(0, pairs.row, pairs.dist2, "amax")
    return far[index].double().sqrt().sort(dim=1).values
