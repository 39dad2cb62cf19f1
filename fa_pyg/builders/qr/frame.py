"""Minimal frames: Gram-Schmidt on the vectors of a graph, in an order determined by invariants."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fa_pyg.builders.base import MotionFrame
from fa_pyg.builders.cloud import Cloud
from fa_pyg.builders.eager import RAGGED
from fa_pyg.builders.gram_schmidt import completed, rejected, signed_permutations
from fa_pyg.builders.qr.rows import Rows, rows_of
from fa_pyg.frames import ALL_RANKS, Frames
from fa_pyg.groups import Group, GroupLike
from fa_pyg.math.linalg import scatter_sum
from fa_pyg.typed import integers, norm, run_lengths

__all__ = ["GeneralizedQRFrame"]

_PAIRS = 1 << 20  # (path, row) pairs in one block: about 200 MB
_TOO_MANY = 1 << 32  # pairs in one step: minutes, and thousands of frames of one graph
_WINDOW = 1024  # rows this many tolerances below the best cannot be chained to it: they are dropped
_DOTS = (0.19, 0.13, 0.07, 0.05)  # coefficients, in a score, of the components along the earlier axes


class GeneralizedQRFrame(MotionFrame):
    r"""Minimal frames: as few as the symmetry of the input allows (Minimal Frame Averaging, Lin et al. 2024).

    The axes come from Gram-Schmidt on vectors of the graph (a generalized QR decomposition, which skips
    dependent vectors): d of them or, for SO(d) and SE(d), d - 1. The order of the vectors does not depend on
    that of the nodes: the next vector i is the one with the largest score

    .. math:: s_i = |u_i| \left(1 + a\,w_i + b\,C(x_i, x_i) + c\,T(x_i, x_i, x_i)
              + \sum_k d_k\, x_i \cdot e_k\right),  \qquad  u_i = x_i - \sum_k (x_i \cdot e_k)\, e_k

    a product of invariants: the length orthogonal to the axes :math:`e_k` so far, the node weight, the second
    (traceless) and third moments C and T of all declared vectors of the graph along it, and the components
    along these axes. Vectors with tied scores are all pursued, and frames whose later vectors have lower
    scores are dropped: a single frame is left for a graph without symmetry, and equally good ones for a
    symmetric graph (methane: 12 under SE(3), 24 under E(3)).

    Vectors that are read come first, in their order; other declared vectors only where those are dependent.
    If all of them leave m axes undetermined, these are completed and averaged over all their signed
    permutations (of determinant +1 for SO and SE): a planar cloud under E(3) has both normals, a linear one
    C_4 about the line (C_4v under E), a point the rotations of the octahedron (with reflections).

    Args:
        group: ``"O(d)"``, ``"SO(d)"``, ``"E(d)"``, ``"SE(d)"`` or ``"T(d)"``, d <= 4.

    Raises:
        ValueError: for d > 4, and for a batch with so many ties that 2^32 pairs would have to be compared.

    Exact, F(gx) = gF(x), for every input whose declared vectors leave at most one axis undetermined. With two
    or more (lines and points in space), exact for outputs up to rank 3 of models that read only these vectors
    and invariants: declared tensors are not read.

    Not guaranteed: continuity. The frame jumps where the largest score passes from one vector to another,
    for generic inputs, too. Scores tie within about 16 roundings of the input's dtype (of its offset, if that
    is larger), and clouds flatter than the square root of a rounding count as flat. At these thresholds the
    result is uncertain: rare in float32, but gaps between scores can be of any size. Time grows with nodes
    times tied frames, quadratically for a regular polygon; memory does not (blocks of 2^20 pairs).
    """

    untraced = RAGGED

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
        # Lines (in space) and points: as exact as the average over signed permutations, and without tensors.
        limit = 3 if all(quantity.rep.rank < 2 for quantity in cloud.declared) else -1
        free = (paths.axes.detach() == 0).all(-2).sum(-1) - (0 if self.group.reflects else 1)
        open_axes = torch.zeros_like(rows.count).scatter_reduce_(0, paths.body, free, "amax")
        exact = torch.where(open_axes >= (2 if self.group.reflects else 1), limit, ALL_RANKS)
        return Frames.ragged(rotation, body, weight, cloud.size, origin, cloud.batch, exact)


@dataclass(frozen=True)
class _Paths:
    """Incomplete frames: axes ``[P, d, d]``, 0 for those still missing, their body and weight ``[P]``."""

    axes: Tensor
    body: Tensor
    weight: Tensor

    def __getitem__(self, index: Tensor) -> _Paths:
        return _Paths(self.axes[index], self.body[index], self.weight[index])


def _extended(paths: _Paths, rows: Rows, column: int) -> _Paths:
    """The paths, each with the axes of its best rows in a column; unchanged in bodies without rows left."""
    with torch.no_grad():
        path, row = _best(paths, rows)
    unit = torch.nn.functional.normalize(rejected(rows.x[row], paths.axes[path]), dim=-1)
    first, group = _coincident(path, unit.detach(), rows.tie[paths.body[path]])
    # The mean, so that coincident nodes share the gradient, whatever their order.
    unit = torch.nn.functional.normalize(scatter_sum(unit, group, len(first)), dim=-1)
    grown = paths[path[first]]
    grown = replace(grown, weight=scatter_sum(paths.weight[path], group, len(first)))
    in_column = torch.eye(unit.size(-1), dtype=unit.dtype, device=unit.device)[column]
    has_grown = torch.zeros(len(rows.count), dtype=torch.bool, device=row.device)
    has_grown.index_fill_(0, grown.body, True)
    rest = paths[(~has_grown[paths.body]).nonzero().squeeze(-1)]
    return _Paths(
        torch.cat([grown.axes + unit.unsqueeze(-1) * in_column, rest.axes]),
        torch.cat([grown.body, rest.body]),
        torch.cat([grown.weight, rest.weight]),
    )


def _best(paths: _Paths, rows: Rows) -> tuple[Tensor, Tensor]:
    """The pairs (path, row) of largest score in each body, ties included; block by block."""
    best = rows.x.new_full((len(rows.count),), -torch.inf)
    blocks: list[tuple[Tensor, Tensor, Tensor]] = []
    for block in _blocks(rows.count[paths.body]):
        amount = rows.count[paths.body[block]]
        path = block.repeat_interleave(amount)
        before = (amount.cumsum(0) - amount).repeat_interleave(amount)
        body = paths.body[path]
        row = rows.start[body] + torch.arange(len(path), device=path.device) - before
        score = _score(rows, row, paths.axes[path])
        best = best.scatter_reduce(0, body, score, "amax")
        near = score > best[body] - _WINDOW * rows.tie[body]
        blocks.append((path[near], row[near], score[near]))
    path, row, score = (torch.cat(parts) for parts in zip(*blocks, strict=True))
    body = paths.body[path]
    tied = _tied_with_best(score, body, rows.tie[body])
    return path[tied], row[tied]


def _blocks(amount: Tensor) -> tuple[Tensor, ...]:
    """The paths in blocks with about ``_PAIRS`` rows in total."""
    end = amount.cumsum(0)
    if len(end) and end[-1] > _TOO_MANY:
        raise ValueError(
            f"vectors: expected at most {_TOO_MANY} pairs of a frame and a vector, found more, for too many "
            f"ties: {len(amount)} frames so far, and up to {amount.max()} vectors per graph"
        )
    number = torch.div(end, _PAIRS, rounding_mode="floor")
    sizes = integers(run_lengths(number))
    return torch.split(torch.arange(len(amount), device=amount.device), sizes or [0])


def _score(rows: Rows, row: Tensor, axes: Tensor) -> Tensor:
    x = rows.x[row]
    length = norm(rejected(x, axes), dim=-1)
    along = (x.unsqueeze(-1) * axes).sum(-2) @ x.new_tensor(_DOTS[: x.size(-1)])
    # Scores lie between 0 and 2, so that vectors of earlier inputs come first.
    score = length * (rows.gain[row] + along) - 4 * rows.tag[row]
    return score.masked_fill(length <= rows.floor[row], -torch.inf)


def _tied_with_best(score: Tensor, body: Tensor, tie: Tensor) -> Tensor:
    """The scores that chains of ties connect to the largest of their body: ties are made transitive."""
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

    Equal directions may be missed (if another one lies between them in the order of the search). This only
    costs a model run: weights are summed, so that the result is the same.
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
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    for m in range(dim + 1):
        mine = (open_axes == m).nonzero().squeeze(-1)
        if len(mine) == 0:
            continue
        change = signed_permutations(dim, m, group.reflects).to(axes)
        rotation = (axes[mine] @ change.unsqueeze(1)).flatten(0, 1)
        weight = (paths.weight[mine] / len(change)).repeat(len(change))
        parts.append((rotation, paths.body[mine].repeat(len(change)), weight))
    if not parts:
        return axes, paths.body, paths.weight
    rotation, body, weight = (torch.cat(part) for part in zip(*parts, strict=True))
    return rotation, body, weight
