"""Comparison of points in dense blocks: queries that see the same points, against these points.

For small graphs, and in many dimensions, a group is all queries and all points of a graph. For large clouds
of up to three dimensions it is the queries in one cell of a grid and the points in the cells around it.
Cells of one line of the grid are neighbours in memory, so that these points are 3^(d-1) ranges. Blocks of
similar size are padded and done together, in chunks of bounded memory.
"""

import math
from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor

from fa_pyg.neighbors.points import Points

BLOCK = 64  # queries a block, at most
BLOCK_PAIRS = 2**21  # comparisons a block, at most (but one query)
MARGIN = 1 + 1e-6  # cells are wider than the radius by more than any rounding of the coordinates
NOTHING = 2**31 - 1  # fills up tables: no query, no point


class Groups(NamedTuple):
    """Queries `query[ptr[g] : ptr[g + 1]]`, which see `point[lower[g, i] : lower[g, i] + count[g, i]]`."""

    query: Tensor
    ptr: Tensor
    point: Tensor
    lower: Tensor
    count: Tensor


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


def compare(
    query: Points, point: Points, groups: Groups, limit: int | None, radius: Tensor, own_first: bool
) -> Iterator[tuple[Tensor, Tensor, Pairs]]:
    """Chunks of the grouped queries: which, how many pairs each has, and the pairs, query by query.

    The pairs of a query are those closer than the radius [B] of its graph, by ascending point; with a limit
    perhaps only its `limit` nearest, of equally far ones the first. `own_first`: queries and points are the
    same, and a query is nearest to itself, at the squared distance -1.
    """
    size, width = groups.ptr.diff(), groups.count.sum(dim=1)
    length = (BLOCK_PAIRS // width.clamp(min=1)).clamp(1, BLOCK)
    group = torch.repeat_interleave((size + length - 1) // length)
    place = torch.arange(group.numel(), device=group.device) - torch.searchsorted(group, group)
    first = groups.ptr[group] + length[group] * place
    length, width = (groups.ptr[group + 1] - first).minimum(length[group]), width[group]
    kind, order = (_level(length) * 128 + _level(width)).sort(stable=True)
    r2 = radius.square().to(query.axes.dtype)
    r2 = r2.clamp(min=torch.finfo(r2.dtype).tiny)  # the square of a radius above 0 may vanish
    for chunk in order.split(_chunks((length * width)[order], kind)):
        row = _table(groups.query, first[chunk, None], length[chunk, None])
        col = _table(groups.point, groups.lower[group[chunk]], groups.count[group[chunk]])
        yield _block(query, point, row, col.sort(dim=1).values, limit, r2, own_first)


def _level(size: Tensor) -> Tensor:
    """Sizes that are padded together: equal up to a factor of sqrt(2)."""
    return size.clamp(min=1).log2().mul(2).ceil().long()


def _chunks(cost: Tensor, kind: Tensor) -> list[int]:
    """Lengths of runs of one kind that cost one budget of comparisons, or one item more."""
    budget = 2**24 if cost.is_cuda else 2**18  # a GPU wants large kernels, a CPU what stays in its cache
    chunk = cost.cumsum(0) // budget * 2**16 + kind
    return torch.unique_consecutive(chunk, return_counts=True)[1].tolist()


def _table(values: Tensor, lower: Tensor, count: Tensor) -> Tensor:
    """Each row the values of its ranges one behind the other, filled up with NOTHING."""
    end = count.cumsum(dim=1)
    place = torch.arange(int(end[:, -1].max()), device=end.device).expand(end.size(0), -1).contiguous()
    which = torch.searchsorted(end, place, right=True)
    real = which < end.size(1)
    place = place + (lower - end + count).gather(1, which.clamp_(max=end.size(1) - 1))
    return values[place.where(real, 0)].where(real, NOTHING)


def _block(
    query: Points, point: Points, row: Tensor, col: Tensor, limit: int | None, r2: Tensor, own_first: bool
) -> tuple[Tensor, Tensor, Pairs]:
    dist2 = torch.zeros(*row.shape, col.size(1), dtype=query.axes.dtype, device=row.device)
    for y, x in zip(_axes(query, row), _axes(point, col), strict=True):
        difference = y[:, :, None] - x[:, None, :]
        dist2.addcmul_(difference, difference)
    inside = dist2 < r2[query.batch[row.clamp(max=query.batch.numel() - 1)]][:, :, None]
    if own_first:
        dist2.masked_fill_(row[:, :, None] == col[:, None, :], -1)
    if limit is not None:
        inside = _thin(inside, dist2, min(limit, col.size(1)))
    found = inside.view(-1).nonzero().view(-1)
    key = (row << 32)[:, :, None] + col[:, None, :]
    real = row < NOTHING
    return row[real], inside.sum(dim=2)[real], Pairs(key.view(-1), dist2.view(-1)).select(found)


def _axes(points: Points, index: Tensor) -> Tensor:
    """Coordinates [d, *index.shape], NaN for NOTHING: it is closer than r to nobody."""
    last = points.batch.numel() - 1
    axes = points.axes.index_select(1, index.view(-1).clamp(max=last)).view(len(points.axes), *index.shape)
    return axes.masked_fill_(index == NOTHING, torch.nan)


def _thin(inside: Tensor, dist2: Tensor, limit: int) -> Tensor:
    """Leave out points beyond the nearest `limit`, where there are too many to list first and cut then."""
    most = 4 * limit * inside.size(0) * inside.size(1)
    if inside.sum() <= most:
        return inside
    stride = max(1, math.isqrt(inside.size(2) // (4 * limit)))  # the limit among a few bounds that among all
    inside = inside & (dist2 <= _furthest(inside[:, :, ::stride], dist2[:, :, ::stride], limit))
    if inside.sum() <= most * stride:
        return inside
    far = _furthest(inside, dist2, limit)
    nearer, level = inside & (dist2 < far), inside & (dist2 == far)
    room = limit - nearer.sum(dim=2, keepdim=True)
    return nearer | (level & (level.cumsum(dim=2) <= room))


def _furthest(inside: Tensor, dist2: Tensor, limit: int) -> Tensor:
    nearest = dist2.masked_fill(~inside, torch.inf).topk(limit, dim=2, largest=False, sorted=False).values
    return nearest.amax(dim=2, keepdim=True)


def whole_graphs(query: Points, point: Points, index: Tensor) -> Groups:
    """Groups of the queries of a graph, numbered by `index`, with all its points: one range."""
    every = torch.arange(point.batch.numel(), device=index.device)
    return Groups(index, query.ptr, every, point.ptr[:-1, None], point.size[:, None])


def cells(query: Points, point: Points, index: Tensor, radius: Tensor) -> Groups:
    """Groups of the queries in a cell, numbered by `index`, with all points within the radius [B]."""
    corner = radius.new_full((radius.numel(), len(point.axes)), torch.inf)
    graph = point.batch[:, None].expand(-1, len(point.axes))
    corner.scatter_reduce_(0, graph, point.axes.t().double(), "amin")
    cell = torch.cat([_cell(p, corner, radius * MARGIN) for p in (query, point)], dim=1)
    key, lines = _keys(cell)
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


def _keys(cell: Tensor) -> tuple[Tensor, Tensor]:
    """One integer a cell, consecutive along the last axis, and the steps to the lines of cells around."""
    key, lines, size = torch.zeros_like(cell[0]), [0], 1
    for axis in cell:
        # Gaps are shortened to one empty cell: a far outlier would need more cells than there are integers.
        value, index = torch.unique(axis, return_inverse=True)
        value[1:], value[0] = value.diff().clamp(max=2).cumsum(0), 0
        width = int(value[-1]) + 3
        size *= width
        if size >= 2**62:  # fewer axes only mean more candidates
            break
        key = key * width + value[index] + 1
        lines = [line * width + step for line, step in product(lines, (-1, 0, 1))]
    return key, torch.tensor(lines[1::3], device=key.device)
