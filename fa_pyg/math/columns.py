"""Vectors stored coordinate by coordinate, ``[d, n]``: moments and rotations as operations on long rows.

On a CPU an operation on ``[n, d]`` runs over d numbers at a time, which is several times slower, eager and
compiled.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fa_pyg.math.linalg import is_traced, working_dtype

__all__ = ["centered", "columns", "from_columns", "moments", "rotated", "sums", "take", "total_weight"]

# For fewer vectors than this, calls cost more than their work: few of them are faster.
_FEW = 1 << 11


def columns(x: Tensor) -> Tensor:
    """Return vectors ``[n, d]`` as a new tensor ``[d, n]``, in the type that frames are computed in."""
    return _transposed(x, 1, working_dtype(x))


def from_columns(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Return vectors ``[d, n]`` as a new tensor ``[n, d]`` of a type."""
    return _transposed(x, 0, dtype)


def _transposed(x: Tensor, axis: int, dtype: torch.dtype) -> Tensor:
    if x.dtype == dtype and not torch.compiler.is_compiling():
        return torch.stack(x.unbind(axis), 1 - axis)  # torch copies slowly where the type stays
    return x.mT.to(dtype, memory_format=torch.contiguous_format, copy=True)


def take(x: Tensor, index: Tensor | None) -> Tensor:
    """Return ``x[..., index]``, of each vector's body; for None (one body) ``x``, which broadcasts."""
    return x if index is None else x.gather(-1, index.expand(*x.shape[:-1], -1))


def sums(x: Tensor, index: Tensor | None, size: int) -> Tensor:
    """Sum the entries of ``x [..., n]`` that share an ``index [n]``, or all for None: ``[..., size]``."""
    if index is None:
        return x.sum(-1, keepdim=True)
    return x.new_zeros(*x.shape[:-1], size).scatter_add_(-1, index.expand_as(x), x)


def total_weight(x: Tensor, index: Tensor | None, size: int, weight: Tensor | None) -> Tensor | int:
    """Return the total weight of each body, ``[size]`` or a number, to divide by: 1 in place of 0."""
    if weight is not None:
        total = sums(weight.to(x.dtype), index, size)
        return total + (total == 0)
    if size == 1:
        return x.size(-1) or 1
    if index is None:
        raise ValueError(f"index: expected the body of each vector for {size} bodies, found None")
    if is_traced() or index.device.type != "cpu":  # bincount would synchronize
        return sums(x.new_ones(1).expand(x.size(-1)), index, size).clamp(min=1)
    return torch.bincount(index, minlength=size).clamp_(min=1)


def centered(
    x: Tensor, index: Tensor | None, size: int, weight: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return the (weighted) mean of each body, ``[d, size]``, and ``x [d, n]`` relative to it.

    Empty bodies have mean 0. x must be a new tensor that the caller does not use again.

    The mean of many points is corrected by the mean of the residual: for clouds far from the origin, a single
    sum would lose digits. (The residual is relative to the first mean: they differ by its rounding.)
    """
    amount = total_weight(x, index, size, weight)
    mean = sums(x if weight is None else x * weight, index, size) / amount
    at_each = mean if size == 1 else take(mean, index)
    apart = x - at_each if is_traced() or weight is not None else x.sub_(at_each)  # in place: less memory
    if x.size(1) > 128 * size:
        mean = mean + sums(apart if weight is None else apart * weight, index, size) / amount
    return mean, apart


def moments(x: Tensor, index: Tensor | None, size: int, weight: Tensor | None = None) -> Tensor:
    r"""Return :math:`\sum_i w_i x_i x_i^\top` of each body: the axes of a covariance, without its scale.

    Shapes:
        x: ``[d, n]``, not centered here (center it first for a covariance); returns ``[size, d, d]``.
    """
    d = x.size(0)
    if index is None and x.dtype == torch.float64:  # which autocast leaves alone
        return ((x if weight is None else x * weight) @ x.mT).unsqueeze(0)

    def total(product: Tensor) -> Tensor:
        return sums(product if weight is None else product * weight, index, size)

    if not is_traced() and x.size(1) <= _FEW:  # in this order: a compiler would guard the size
        return total(x.unsqueeze(1) * x).movedim(-1, 0)
    pairs = [(i, j) for i in range(d) for j in range(i, d)]
    upper = {(i, j): total(x[i] * x[j]) for i, j in pairs}
    full = [torch.stack([upper[min(i, j), max(i, j)] for j in range(d)]) for i in range(d)]
    return torch.stack(full).movedim(-1, 0)


def rotated(x: Tensor, matrix: Tensor) -> Tensor:
    r"""Return :math:`y_a = \sum_i x_i M_{ia}`, ``[d, n]``.

    A sum of products in their order, without fused additions: the same numbers alone and in a batch.

    Shapes:
        x ``[d, n]``, matrix ``[d, d, n]``, or ``[d, d, 1]`` for one body.
    """
    return torch.linalg.vecdot(x.unsqueeze(1), matrix, dim=0)
