"""Exact neighbour search in batches of point clouds, in plain tensor operations on any device.

Queries that see the same points are compared with them in one dense block. For small graphs, and in many dimensions,
these are all queries and all points of a graph. For large clouds of up to three dimensions they are the queries in
one cell of a grid and the points in the cells around it; cells of one line of the grid are neighbours in memory, so
that these points are 3^(d-1) ranges. Blocks of similar size are padded and done together, in chunks of bounded memory.
"""

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor

CELL_DIMENSIONS = 3  # beyond, 3^(d-1) ranges cost more than they save
GRAPH_LIMIT = 768  # points a query sees on average, up to which whole graphs are faster than cells
BLOCK = 64  # queries a block, at most
BLOCK_PAIRS = 2**21  # comparisons a block, at most (but one query)
SAMPLE = 32  # queries a graph that are compared with all its points, to learn how far k neighbours are
GROWTH = 1.5  # of the radius, for the queries which have not found k neighbours
MARGIN = 1 + 1e-6  # cells are wider than the radius by more than any rounding of the coordinates


class Points(NamedTuple):
    """Finite points sorted by graph: `axes` [d, N] (one row an axis), `batch` [N] ascending, `ptr` [B + 1]."""

    axes: Tensor
    batch: Tensor
    ptr: Tensor

    def select(self, index: Tensor) -> "Points":
        """Some of the points, by an ascending index."""
        batch = self.batch[index]
        graphs = torch.arange(self.ptr.numel(), device=batch.device)
        return Points(self.axes[:, index], batch, torch.searchsorted(batch, graphs))

    @property
    def size(self) -> Tensor:
        return self.ptr.diff()


class Pairs(NamedTuple):
    """Queries and points as one integer `key`, query * 2^32 + point, and their squared distances `dist2`."""

    key: Tensor
    dist2: Tensor

    @property
    def row(self) -> Tensor:
        return self.key >> 32

    @property
    def col(self) -> Tensor:
        return self.key & (2**32 - 1)

    def select(self, index: Tensor) -> "Pairs":
        return Pairs(self.key.index_select(0, index), self.dist2.index_select(0, index))


class Groups(NamedTuple):
    """Queries that see the same points: `query[ptr[g] : ptr[g + 1]]` see `point[lower[g, i] :][: count[g, i]]`."""

    query: Tensor
    ptr: Tensor
    point: Tensor
    lower: Tensor
    count: Tensor


def search(query: Points, point: Points, k: int | None, r: float, loop: bool | None, nearest_first: bool):
    """Row and column of all pairs within a graph closer than r, for at most the k nearest of each query.

    Rows ascend. Within a row come either the nearest first or the lowest column first. Of equally distant points at
    the k-th place the lower column is kept. `loop` is None where queries and points are different sets; else they are
    the same, and a query's own point is dropped (False) or counts as its nearest (True).
    """
    limit = None if k is None else k + int(loop is False)
    found = (_own(pairs, loop) for pairs in _by_radius(query, point, limit, r))
    key = torch.cat([_nearest(pairs, k, nearest_first).key for pairs in found])
    row = key >> 32
    if (row[1:] < row[:-1]).any():  # complete rows, but found in the order of cells
        found, count = torch.unique_consecutive(row, return_counts=True)
        found, order = found.sort()
        first, count = (count.cumsum(0) - count)[order], count[order]
        place = torch.repeat_interleave(first - (count.cumsum(0) - count), count)
        key = key.index_select(0, place.add_(torch.arange(key.numel(), device=key.device)))
    return key >> 32, key & (2**32 - 1)


def _nearest(pairs: Pairs, k: int | None, nearest_first: bool) -> Pairs:
    """The k nearest of each row, of pairs sorted by (row, col)."""
    order = _by_distance(pairs) if nearest_first else None
    if k is not None:
        count = torch.unique_consecutive(pairs.row, return_counts=True)[1]
        if (count > k).any():
            order = _by_distance(pairs) if order is None else order
            first = torch.repeat_interleave(count.cumsum(0) - count, count)
            order = order[torch.arange(first.numel(), device=first.device) < first + k]
            order = order if nearest_first else order.sort().values
    return pairs if order is None else pairs.select(order)


def _by_distance(pairs: Pairs) -> Tensor:
    """The order by (row, distance); equal distances stay in the order they are in."""
    row = pairs.row
    if pairs.dist2.dtype == torch.float32:  # floats of one sign compare like their bits: one sort of integers
        return ((row << 32) + pairs.dist2.view(torch.int32)).sort(stable=True).indices
    order = pairs.dist2.argsort(stable=True)
    return order[row[order].argsort(stable=True)]


# Which groups, and how far ------------------------------------------------------------------------------------------


def _by_radius(query: Points, point: Points, limit: int | None, r: float) -> Iterator[Pairs]:
    """All pairs closer than r, or at least the `limit` nearest of each query, in chunks sorted by (row, col).

    With a limit, start at a small radius and widen it for those queries that have not found enough points.
    """
    pending = torch.arange(query.batch.numel(), device=query.batch.device)
    radius = torch.zeros_like(query.ptr[1:], dtype=torch.float64)
    while pending.numel():
        some, left = query.select(pending), []
        whole = query.axes.size(0) > CELL_DIMENSIONS or _is_cheap(some, point)
        radius = radius.fill_(r) if whole or limit is None else _next_radius(some, point, limit, r, radius)
        groups = _graphs(some, point, pending) if whole else _cells(some, point, pending, radius * MARGIN)
        for index, pairs in _compare(query, point, groups, limit, radius):
            done = radius[query.batch[index]] >= r
            if not done.all():
                count = torch.searchsorted(pairs.row, index, right=True) - torch.searchsorted(pairs.row, index)
                done |= count >= point.size[query.batch[index]].clamp(max=limit)
                pairs = pairs.select(torch.repeat_interleave(done, count).nonzero().view(-1))
                left.append(index[~done])
            yield pairs
        pending = torch.cat(left).sort().values if left else pending[:0]


def _is_cheap(query: Points, point: Points) -> bool:
    comparisons = (query.size * point.size).sum()
    return bool(comparisons <= GRAPH_LIMIT * max(query.batch.numel(), 2048))


def _own(pairs: Pairs, loop: bool | None) -> Pairs:
    if loop is None:
        return pairs
    own = pairs.row == pairs.col
    return pairs._replace(dist2=pairs.dist2.masked_fill(own, -1)) if loop else pairs.select((~own).nonzero().view(-1))


def _next_radius(query: Points, point: Points, limit: int, r: float, radius: Tensor) -> Tensor:
    """Per graph a larger radius, in which a good part of the queries has enough points: read off a few of them."""
    graph = (query.size > 0).nonzero()
    spread = torch.arange(SAMPLE, device=graph.device) * query.size[graph] // SAMPLE
    index = (query.ptr[graph] + spread).view(-1)
    far = torch.zeros_like(query.axes[0])
    anywhere = torch.full_like(radius, torch.inf)
    for _, pairs in _compare(query, point, _graphs(query.select(index), point, index), limit, anywhere):
        pairs = _nearest(pairs, limit, nearest_first=False)
        far.scatter_reduce_(0, pairs.row, pairs.dist2, "amax")
    far = far[index].view(-1, SAMPLE).double().sqrt().sort(dim=1).values
    nearest = torch.where(far > 0, far, torch.inf).amin(dim=1)
    # Start at what most queries need; later take the least, or the last of a dense region would see all of it.
    before = radius[graph.view(-1)]
    far = torch.where(before > 0, far[:, 0], far[:, SAMPLE // 8])
    wider = torch.full_like(radius, r)
    wider[graph.view(-1)] = torch.maximum(far * 1.25, nearest).maximum(before * GROWTH)  # coincident: 0 is no radius
    return torch.where(wider * GROWTH < r, wider, r)  # a last step that is nearly r becomes r


# Blocks -------------------------------------------------------------------------------------------------------------


def _compare(query: Points, point: Points, groups: Groups, limit: int | None, radius: Tensor):
    """Chunks of the queries (ascending), with all their pairs within the radius of their graph, by (row, col).

    At least the `limit` nearest of each query are among them.
    """
    size, width = groups.ptr.diff(), groups.count.sum(dim=1)
    length = (BLOCK_PAIRS // width.clamp(min=1)).clamp(1, BLOCK)
    group = torch.repeat_interleave((size + length - 1) // length)
    place = torch.arange(group.numel(), device=group.device) - torch.searchsorted(group, group)
    first = groups.ptr[group] + length[group] * place
    length, width = (groups.ptr[group + 1] - first).minimum(length[group]), width[group]
    kind, order = (_level(length) * 128 + _level(width)).sort(stable=True)
    r2 = radius.square().to(query.axes.dtype)
    for chunk in order.split(_chunks((length * width)[order], kind)):
        row = _table(groups.query, first[chunk, None], length[chunk, None])
        col = _table(groups.point, groups.lower[group[chunk]], groups.count[group[chunk]])
        index = row[row >= 0].sort().values
        yield index, _block(query, point, row, col, limit, r2)


def _level(size: Tensor) -> Tensor:
    """Sizes that are padded together: equal up to a factor of sqrt(2)."""
    return size.clamp(min=1).log2().mul(2).ceil().long()


def _chunks(cost: Tensor, kind: Tensor) -> list[int]:
    """Lengths of runs of one kind that cost one budget of pairs, or one item more."""
    budget = 2**24 if cost.is_cuda else 2**18  # a GPU wants large kernels, a CPU what stays in its cache
    chunk = cost.cumsum(0) // budget * 2**16 + kind
    return torch.unique_consecutive(chunk, return_counts=True)[1].tolist()


def _table(values: Tensor, lower: Tensor, count: Tensor) -> Tensor:
    """Each row the values of its ranges one behind the other, then -1."""
    end = count.cumsum(dim=1)
    place = torch.arange(int(end[:, -1].max()), device=end.device).expand(end.size(0), -1).contiguous()
    which = torch.searchsorted(end, place, right=True)
    real = which < end.size(1)
    place = place + (lower - end + count).gather(1, which.clamp_(max=end.size(1) - 1))
    return values[place.where(real, 0)].where(real, -1)


def _block(query: Points, point: Points, row: Tensor, col: Tensor, limit: int | None, r2: Tensor) -> Pairs:
    dist2 = torch.zeros(*row.shape, col.size(1), dtype=query.axes.dtype, device=row.device)
    for y, x in zip(_axes(query, row), _axes(point, col), strict=True):
        difference = y[:, :, None] - x[:, None, :]
        dist2.addcmul_(difference, difference)
    inside = dist2 < r2[query.batch[row]][:, :, None]
    if limit is not None and inside.sum() > 4 * limit * row.numel():  # thin out before pairs are listed; ties stay
        far = dist2.masked_fill(~inside, torch.inf).kthvalue(min(limit, col.size(1)), dim=2, keepdim=True).values
        inside &= dist2 <= far
    key = (row << 32)[:, :, None] + col[:, None, :]
    found = inside.view(-1).nonzero().view(-1)
    pairs = Pairs(key.view(-1), dist2.view(-1)).select(found)
    unsorted = (pairs.key[1:] < pairs.key[:-1]).any()  # points of a graph are in order, those of cells are not
    return pairs.select(pairs.key.argsort()) if unsorted else pairs


def _axes(points: Points, index: Tensor) -> Tensor:
    """Coordinates [d, *index.shape], NaN for -1."""
    axes = points.axes.index_select(1, index.view(-1).clamp(min=0)).view(len(points.axes), *index.shape)
    return axes.masked_fill_(index < 0, torch.nan)


# Groups -------------------------------------------------------------------------------------------------------------


def _graphs(query: Points, point: Points, index: Tensor) -> Groups:
    """Whole graphs: one range. The queries are those of the given index."""
    every = torch.arange(point.batch.numel(), device=index.device)
    return Groups(index, query.ptr, every, point.ptr[:-1, None], point.size[:, None])


def _cells(query: Points, point: Points, index: Tensor, side: Tensor) -> Groups:
    """Queries in one cell of a grid, and the points in the cells around it; `side` is the width of cells per graph."""
    corner = torch.full((side.numel(), point.axes.size(0)), torch.inf, dtype=torch.float64, device=side.device)
    graph = point.batch[:, None].expand(-1, corner.size(1))
    corner.scatter_reduce_(0, graph, point.axes.t().double(), "amin")
    cells = torch.cat([_cell(p, corner, side) for p in (query, point)], dim=1)
    key, lines = _keys(cells)
    own, order = key[: index.numel()].sort()
    own, size = torch.unique_consecutive(own, return_counts=True)
    key, points = key[index.numel() :].sort()
    seen = own[:, None] + lines
    lower = torch.searchsorted(key, seen - 1)
    count = torch.searchsorted(key, seen + 1, right=True) - lower
    ptr = torch.cat([size.new_zeros(1), size.cumsum(0)])
    return Groups(index[order], ptr, points, lower, count)


def _cell(points: Points, corner: Tensor, side: Tensor) -> Tensor:
    """Integer coordinates [d, N] of the cells; the graphs lie side by side along the first axis."""
    place = (points.axes.t().double() - corner[points.batch]) / side[points.batch, None]
    cell = place.nan_to_num_(0).clamp_(-(2**30), 2**30).floor_().long().t().contiguous()
    cell[0] += points.batch << 33
    return cell


def _keys(cells: Tensor) -> tuple[Tensor, Tensor]:
    """One integer a cell, consecutive along the last axis, and the steps to the lines of cells around."""
    key, lines, size = torch.zeros_like(cells[0]), [0], 1
    for axis in cells:
        # Gaps are shortened to one empty cell, or a far outlier would need more cells than there are integers.
        value, index = torch.unique(axis, return_inverse=True)
        value[1:], value[0] = value.diff().clamp(max=2).cumsum(0), 0
        width = int(value[-1]) + 3
        size *= width
        if size >= 2**62:  # fewer axes only mean more candidates
            break
        key = key * width + value[index] + 1
        lines = [line * width + step for line, step in product(lines, (-1, 0, 1))]
    return key, torch.tensor(lines[1::3], device=key.device)
