"""Minimal frames: Gram-Schmidt on a graph's own vectors, in an order that only invariants decide."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fa_pyg.builders.base import Frame
from fa_pyg.builders.cloud import Cloud
from fa_pyg.builders.gram_schmidt import completed, rejected, signed_permutations
from fa_pyg.builders.qr.rows import Rows, rows_of
from fa_pyg.frames import ALL_RANKS, Frames
from fa_pyg.groups import Group, GroupLike
from fa_pyg.math.linalg import scatter_sum

__all__ = ["GeneralisedQRFrame"]

_PAIRS = 1 << 20  # (path, row) pairs that are formed together: about 200 MB
_TOO_MANY = 1 << 32  # pairs of one step: minutes, and a graph of thousands of frames
_WINDOW = 1024  # rows that lie this many tolerances below the best cannot be chained to it: not kept
_DOTS = (0.19, 0.13, 0.07, 0.05)  # what the place along each earlier axis counts in a score


class GeneralisedQRFrame(Frame):
    r"""Frames as small as the input's own symmetry, after "Minimal Frame Averaging" (Lin et al. 2024).

    The axes are those of Gram-Schmidt on vectors of the graph (a generalized QR decomposition: dependent ones
    are passed over), d of them or, for SO(d) and SE(d), d - 1. Here their order is not that of the nodes:
    the next vector i is the one of largest score

    .. math:: s_i = |u_i| \left(1 + a\,w_i + b\,C(x_i, x_i) + c\,T(x_i, x_i, x_i)
              + \sum_k d_k\, x_i \cdot e_k\right),  \qquad  u_i = x_i - \sum_k (x_i \cdot e_k)\, e_k

    made of invariants: its length across the axes :math:`e_k` found so far, its node weight, the second
    (traceless) and third moments C and T of all declared vectors of the graph along it, and its place along
    these axes. Where scores tie, all the tied go on, and frames whose later vectors score less are dropped:
    one frame is left for a graph without symmetry, and equally good ones for a symmetric one (methane: 12
    under SE(3), 24 under E(3)).

    Vectors that are read come first, in their order; other declared ones only where those are dependent. If
    all of them leave m axes open, these are completed and averaged over all their signed permutations (of
    determinant +1 for SO and SE): a planar cloud under E(3) has both normals, a linear one C_4 about its line
    (C_4v under E), a point the rotations of the octahedron (with reflections).

    Args:
        group: ``"O(d)"``, ``"SO(d)"``, ``"E(d)"``, ``"SE(d)"`` or ``"T(d)"``, d <= 4.

    Raises:
        ValueError: for d > 4, and for a batch with so many ties that 2^32 pairs would have to be compared.

    Exact, F(gx) = gF(x), for every input whose declared vectors leave at most one axis open. With two or more
    open (lines and points in space), exact for outputs up to rank 3 of models that see these vectors and
    invariants alone: declared tensors are not read.

    Not guaranteed: continuity. It jumps where the largest score passes from one vector to another, which
    generic inputs meet too. Scores tie within some 16 roundings of the input's type (of its offset, if that
    is larger), clouds flatter than the root of a rounding count as flat; at these bounds the result is
    uncertain, which in float32 is seldom but does happen: chance gaps between scores are of all sizes. Time
    grows with nodes times tied frames, quadratically for a regular polygon; memory does not (blocks of 2^20
    pairs).
    """

    def __init__(self, group: GroupLike) -> None:
        super().__init__(group)
        if self.group.dim > 4:
            raise ValueError(f"group: expected at most 4 dimensions, found {self.group}")

    def build(self, cloud: Cloud) -> Frames:
        origin, dim = cloud.origin(self.group), self.group.dim
        if not self.group.rotates:
            eye = torch.eye(dim, dtype=cloud.dtype, device=cloud.device)
            return Frames.uniform(eye.expand(1, cloud.size, -1, -1), origin, cloud.batch, exact=ALL_RANKS)
        rows = rows_of(cloud, origin, self.group)
        body = torch.arange(cloud.size, device=cloud.device)
        # A graph with a NaN has no rows and one frame of NaN.
        axes = rows.blank.view(-1, 1, 1).expand(-1, dim, dim)
        paths = _Paths(axes, body, rows.blank.new_ones(cloud.size))
        for column in range(dim if self.group.reflects else dim - 1):
            paths = _extended(paths, rows, column)
        rotation, body, weight = _all_signs(paths, self.group)
        weight = weight / scatter_sum(weight, body, cloud.size).index_select(0, body)
        # Lines (in space) and points: only as exact as the average over signed permutations, and no tensors.
        limit = 3 if all(quantity.rep.rank < 2 for quantity in cloud.declared) else -1
        free = (paths.axes.detach() == 0).all(-2).sum(-1) - (0 if self.group.reflects else 1)
        open_axes = torch.zeros_like(rows.count).scatter_reduce_(0, paths.body, free, "amax")
        exact = torch.where(open_axes >= (2 if self.group.reflects else 1), limit, ALL_RANKS)
        return Frames.ragged(rotation, body, weight, cloud.size, origin, cloud.batch, exact)


@dataclass(frozen=True)
class _Paths:
    """Frames in the making: axes ``[P, d, d]``, 0 where there is none yet, their body and weight ``[P]``."""

    axes: Tensor
    body: Tensor
    weight: Tensor

    def __getitem__(self, index: Tensor) -> _Paths:
        return _Paths(self.axes[index], self.body[index], self.weight[index])


def _extended(paths: _Paths, rows: Rows, column: int) -> _Paths:
    """Each path with the axes of its best rows in a column; paths of bodies that have no row left stay."""
    with torch.no_grad():
        path, row = _best(paths, rows)
    unit = torch.nn.functional.normalize(rejected(rows.x[row], paths.axes[path]), dim=-1)
    first, group = _coincident(path, unit.detach(), rows.tie[paths.body[path]])
    # The mean, so that the gradient is shared by nodes at one place, whatever their order.
    unit = torch.nn.functional.normalize(scatter_sum(unit, group, len(first)), dim=-1)
    grown = paths[path[first]]
    grown = replace(grown, weight=scatter_sum(paths.weight[path], group, len(first)))
    place = torch.eye(unit.size(-1), dtype=unit.dtype, device=unit.device)[column]
    went = torch.zeros(len(rows.count), dtype=torch.bool, device=row.device).index_fill_(0, grown.body, True)
    stay = paths[(~went[paths.body]).nonzero().squeeze(-1)]
    return _Paths(
        torch.cat([grown.axes + unit.unsqueeze(-1) * place, stay.axes]),
        torch.cat([grown.body, stay.body]),
        torch.cat([grown.weight, stay.weight]),
    )


def _best(paths: _Paths, rows: Rows) -> tuple[Tensor, Tensor]:
    """The pairs (path, row) of largest score in each body, with all that tie; block by block."""
    best = rows.x.new_full((len(rows.count),), -torch.inf)
    found = []
    for block in _blocks(rows.count[paths.body]):
        amount = rows.count[paths.body[block]]
        path = block.repeat_interleave(amount)
        before = (amount.cumsum(0) - amount).repeat_interleave(amount)
        body = paths.body[path]
        row = rows.start[body] + torch.arange(len(path), device=path.device) - before
        score = _score(rows, row, paths.axes[path])
        best = best.scatter_reduce(0, body, score, "amax")
        near = score > best[body] - _WINDOW * rows.tie[body]
        found.append((path[near], row[near], score[near]))
    path, row, score = (torch.cat(parts) for parts in zip(*found, strict=True))
    body = paths.body[path]
    tied = _first_links(score, body, rows.tie[body])
    return path[tied], row[tied]


def _blocks(amount: Tensor) -> tuple[Tensor, ...]:
    """The paths in blocks of about ``_PAIRS`` rows together."""
    end = amount.cumsum(0)
    if len(end) and end[-1] > _TOO_MANY:
        raise ValueError(f"a graph of {amount.max()} vectors has too many ties: {len(amount)} frames so far")
    number = torch.div(end, _PAIRS, rounding_mode="floor")
    sizes = torch.unique_consecutive(number, return_counts=True)[1].tolist()
    return torch.arange(len(amount), device=amount.device).split(sizes or [0])


def _score(rows: Rows, row: Tensor, axes: Tensor) -> Tensor:
    x = rows.x[row]
    length = rejected(x, axes).norm(dim=-1)
    along = (x.unsqueeze(-1) * axes).sum(-2) @ x.new_tensor(_DOTS[: x.size(-1)])
    # Scores lie between 0 and 2: no vector comes before one of an earlier input.
    score = length * (rows.gain[row] + along) - 4 * rows.tag[row]
    return score.masked_fill(length <= rows.floor[row], -torch.inf)


def _first_links(score: Tensor, body: Tensor, tie: Tensor) -> Tensor:
    """Those that a chain of ties links to the largest score of their body; ties are so transitive."""
    order = torch.argsort(score, descending=True, stable=True)
    order = order[torch.argsort(body[order], stable=True)]
    score, body, tie = score[order], body[order], tie[order]
    same = body[1:] == body[:-1]
    broken = same & (score[:-1] - score[1:] > tie[1:])
    breaks = torch.cat([broken.new_zeros(min(1, len(order))), broken]).cumsum(0)
    begins = torch.cat([same.new_ones(min(1, len(order))), ~same])
    return order[breaks == breaks[begins][begins.cumsum(0) - 1]]


def _coincident(path: Tensor, unit: Tensor, tie: Tensor) -> tuple[Tensor, Tensor]:
    """The first of each group of equal directions of one path, and the group of each row.

    Equal ones that are not found (another lies between them in the order of the search) only cost a run:
    weights are summed, so that they are the same either way.
    """
    probe = torch.arange(1, unit.size(-1) + 1, dtype=unit.dtype, device=unit.device).sqrt()
    order = torch.argsort(unit @ probe, stable=True)
    order = order[torch.argsort(path[order], stable=True)]
    near = (unit[order][1:] - unit[order][:-1]).abs().amax(-1) <= tie[order][1:]
    begins = torch.cat([near.new_ones(min(1, len(order))), ~(near & (path[order][1:] == path[order][:-1]))])
    group = torch.empty_like(order).scatter_(0, order, begins.cumsum(0) - 1)
    return order[begins], group


def _all_signs(paths: _Paths, group: Group) -> tuple[Tensor, Tensor, Tensor]:
    """Complete rotations with all signed permutations of their missing axes, their body and weight."""
    axes, missing = completed(paths.axes)
    open_axes, dim = missing.sum(-1), group.dim
    rotation, body, weight = [], [], []
    for m in range(dim + 1):
        mine = (open_axes == m).nonzero().squeeze(-1)
        if len(mine) == 0:
            continue
        change = signed_permutations(dim, m, group.reflects).to(axes)
        rotation.append((axes[mine] @ change.unsqueeze(1)).flatten(0, 1))
        body.append(paths.body[mine].repeat(len(change)))
        weight.append((paths.weight[mine] / len(change)).repeat(len(change)))
    if not body:
        return axes, paths.body, paths.weight
    return torch.cat(rotation), torch.cat(body), torch.cat(weight)
