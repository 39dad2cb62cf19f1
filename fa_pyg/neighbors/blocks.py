"""Distances in dense blocks, between groups of queries and the points that they are compared with.

In small graphs, and in many dimensions, a group is all queries and all points of a graph. In large clouds of
up to three dimensions it is the queries in a cell of a grid and the points in the cells around it. Cells in a
line of the grid are adjacent in memory, so that these points are 3^(d-1) ranges. Blocks of similar size are
padded and computed together, in chunks of bounded memory.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor

from fa_pyg.neighbors.points import Points

__all__ = ["Groups", "Pairs", "cells", "compare", "whole_graphs"]

BLOCK = 64  # queries in a block, at most
BLOCK_PAIRS = 2**21  # comparisons in a block, at most (unless it has a single query)
MARGIN = 1 + 1e-6  # cells are wider than the radius by more than any rounding of the coordinates
NOTHING = 2**31 - 1  # padding of tables


class Groups(NamedTuple):
    """Groups of queries, and the ranges of points that they are compared with.

    Group g has the queries ``query[ptr[g] : ptr[g + 1]]`` and the points
    ``point[lower[g, i] : lower[g, i] + count[g, i]]``.
    """

    query: Tensor
    ptr: Tensor
    point: Tensor
    lower: Tensor
    count: Tensor


class Pairs(NamedTuple):
    """Pairs as integers, ``key = query * 2^32 + point``, and their squared distances ``dist2``."""

    key: Tensor
    dist2: Tensor

    @property
    def row(self) -> Tensor:
        return self.key >> 32

    @property
    def col(self) -> Tensor:
        return self.key & (2**32 - 1)

    def select(self, index: Tensor) -> Pairs:
        return Pairs(self.key.index_select(0, index), self.dist2.index_select(0, index))


def compare(
    query: Points, point: Points, groups: Groups, limit: int | None, radius: Tensor, self_first: bool
) -> Iterator[tuple[Tensor, Tensor, Pairs]]:
    """Compare queries with points, in chunks: queries, number of pairs of each query, and the pairs.

    The pairs of a query are those closer than the radius ``[B]`` of its graph, sorted by point; with a limit
    at least its ``limit`` nearest, ties broken by lower index. ``self_first``: queries and points are the
    same, and the query itself is its nearest point, at the squared distance -1.
    """
    size, width = groups.ptr.diff(), groups.count.sum(dim=1)
    length = (BLOCK_PAIRS // width.clamp(min=1)).clamp(1, BLOCK)
    group = torch.repeat_interleave((size + length - 1) // length)
    block = torch.arange(group.numel(), device=group.device) - torch.searchsorted(group, group)
    first = groups.ptr[group] + length[group] * block
    length, width = (groups.ptr[group + 1] - first).minimum(length[group]), width[group]
    kind, order = (_level(length) * 128 + _level(width)).sort(stable=True)
    r2 = radius.square().to(query.axes.dtype)
    r2 = r2.clamp(min=torch.finfo(r2.dtype).tiny)  # the square of a positive radius may underflow
    for chunk in order.split(_chunks((length * width)[order], kind)):
        row = _table(groups.query, first[chunk, None], length[chunk, None])
        col = _table(groups.point, groups.lower[group[chunk]], groups.count[group[chunk]])
        yield _block(query, point, row, col.sort(dim=1).values, limit, r2, self_first)


def _level(size: Tensor) -> Tensor:
    """Class of sizes that are padded to the same: equal up to a factor of sqrt(2)."""
    return size.clamp(min=1).log2().mul(2).ceil().long()


def _chunks(cost: Tensor, kind: Tensor) -> list[int]:
    """Lengths of chunks of the same kind, each within the budget of comparisons plus an item."""
    budget = 2**24 if cost.is_cuda else 2**18  # large kernels on a GPU, cache-sized ones on a CPU
    chunk = cost.cumsum(0) // budget * 2**16 + kind
    return torch.unique_consecutive(chunk, return_counts=True)[1].tolist()


def _table(values: Tensor, lower: Tensor, count: Tensor) -> Tensor:
    """Table whose rows concatenate the values of ranges, padded with NOTHING."""
    end = count.cumsum(dim=1)
    column = torch.arange(int(end[:, -1].max()), device=end.device).expand(end.size(0), -1).contiguous()
    which = torch.searchsorted(end, column, right=True)
    real = which < end.size(1)
    index = column + (lower - end + count).gather(1, which.clamp_(max=end.size(1) - 1))
    return values[index.where(real, 0)].where(real, NOTHING)


def _block(
    query: Points, point: Points, row: Tensor, col: Tensor, limit: int | None, r2: Tensor, self_first: bool
) -> tuple[Tensor, Tensor, Pairs]:
    dist2 = torch.zeros(*row.shape, col.size(1), dtype=query.axes.dtype, device=row.device)
    for y, x in zip(_axes(query, row), _axes(point, col), strict=True):
        difference = y[:, :, None] - x[:, None, :]
        dist2.addcmul_(difference, difference)
    inside = dist2 < r2[query.batch[row.clamp(max=query.batch.numel() - 1)]][:, :, None]
    if self_first:
        dist2.masked_fill_(row[:, :, None] == col[:, None, :], -1)
    if limit is not None:
        inside = _thin(inside, dist2, min(limit, col.size(1)))
    found = inside.view(-1).nonzero().view(-1)
    key = (row << 32)[:, :, None] + col[:, None, :]
    real = row < NOTHING
    return row[real], inside.sum(dim=2)[real], Pairs(key.view(-1), dist2.view(-1)).select(found)


def _axes(points: Points, index: Tensor) -> Tensor:
    """Coordinates ``[d, *index.shape]``, NaN for padding, which is then closer than r to no point."""
    last = points.batch.numel() - 1
    axes = points.axes.index_select(1, index.view(-1).clamp(max=last)).view(len(points.axes), *index.shape)
    return axes.masked_fill_(index == NOTHING, torch.nan)


def _thin(inside: Tensor, dist2: Tensor, limit: int) -> Tensor:
    """Drop points beyond the nearest ``limit``, if there are too many to list them first and cut later."""
    most = 4 * limit * inside.size(0) * inside.size(1)
    if inside.sum() <= most:
        return inside
    stride = max(
        1, math.isqrt(inside.size(2) // (4 * limit))
    )  # the limit within a subset bounds that within all
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
    """Group the queries of each graph, with indices ``index``, with all its points, in a single range."""
    every = torch.arange(point.batch.numel(), device=index.device)
    return Groups(index, query.ptr, every, point.ptr[:-1, None], point.size[:, None])


def cells(query: Points, point: Points, index: Tensor, radius: Tensor) -> Groups:
    """Group the queries of each cell, with indices ``index``, with all points within the radius ``[B]``."""
    corner = radius.new_full((radius.numel(), len(point.axes)), torch.inf)
    graph = point.batch[:, None].expand(-1, len(point.axes))
    corner.scatter_reduce_(0, graph, point.axes.t().double(), "amin")
    cell = torch.cat([_cell(p, corner, radius * MARGIN) for p in (query, point)], dim=1)
    key, lines = _keys(cell)
    occupied, order = key[: index.numel()].sort()
    occupied, size = torch.unique_consecutive(occupied, return_counts=True)
    key, points = key[index.numel() :].sort()
    near = occupied[:, None] + lines
    lower = torch.searchsorted(key, near - 1)
    count = torch.searchsorted(key, near + 1, right=True) - lower
    ptr = torch.cat([size.new_zeros(1), size.cumsum(0)])
    return Groups(index[order], ptr, points, lower, count)


def _cell(points: Points, corner: Tensor, side: Tensor) -> Tensor:
    """Integer coordinates ``[d, N]`` of the cells of points; graphs are side by side along the first axis."""
    scaled = (points.axes.t().double() - corner[points.batch]) / side[points.batch, None]
    cell = scaled.nan_to_num_(0).clamp_(-(2**30), 2**30).floor_().long().t().contiguous()
    cell[0] += points.batch << 33
    return cell


def _keys(cell: Tensor) -> tuple[Tensor, Tensor]:
    """Integers of cells, consecutive along the last axis, and the offsets of adjacent lines of cells."""
    key, lines, size = torch.zeros_like(cell[0]), [0], 1
    for axis in cell:
        # Shorten gaps to an empty cell: a far outlier would overflow the integers.
        value, index = torch.unique(axis, return_inverse=True)
        value[1:], value[0] = value.diff().clamp(max=2).cumsum(0), 0
        width = int(value[-1]) + 3
        size *= width
        if size >= 2**62:  # with fewer axes there are more candidates, not fewer pairs
            break
        key = key * width + value[index] + 1
        lines = [line * width + step for line, step in product(lines, (-1, 0, 1))]
    return key, torch.tensor(lines[1::3], device=key.device)
