"""Copies of tensors in all patterns of signs, as long contiguous rows: a CPU is slow at runs of d numbers."""

from __future__ import annotations

import torch
from torch import Tensor

from fa_pyg.math.linalg import is_plain, repeated, times

__all__ = ["poses", "sign_pattern", "signed_copies"]

_FEW = 1 << 12  # numbers: for fewer, more operations cost more than they save
_RUN = 64  # so many times a pattern of signs is repeated
_BLOCK = 1 << 9  # so many runs stay in the processor's cache


def signed_copies(x: Tensor, pattern: Tensor, out: Tensor | None = None) -> Tensor:
    """Return a copy of ``x [n, ...]`` for each of K patterns of signs: ``[K, n, ...]``.

    Args:
        x: the tensor.
        pattern: of signs.
        out: what to write to, whose axes but the first are contiguous.

    Shapes:
        pattern: ``[K, 1, ..., d, ..., d]``, for the last axes of x.
    """
    if x.device.type != "cpu" or torch.compiler.is_compiling() or x.numel() < _FEW:
        return torch.mul(x, pattern, out=out)
    flat = pattern.flatten(1)
    if out is None and not is_plain(x):
        return _windowed(x, flat)
    out = x.new_empty(len(flat), *x.shape) if out is None else out
    _write(x.contiguous().view(-1, flat.size(1)), flat, out.view(len(flat), -1, flat.size(1)))
    return out


def sign_pattern(signs: Tensor, rank: int, like: Tensor) -> Tensor:
    """Return the sign of each component of tensors of a rank in each pattern, to multiply ``like`` by.

    Shapes:
        signs ``[K, d]``, like ``[K or 1, n, C..., d, ..., d]``; returns ``[K, 1, ..., d, ..., d]``.
    """
    signs = signs.to(like.dtype)
    pattern = signs
    for _ in range(rank - 1):
        pattern = pattern.unsqueeze(-1) * signs.view(-1, *(1,) * (pattern.dim() - 1), signs.size(1))
    return pattern.view(-1, *(1,) * (like.dim() - pattern.dim()), *pattern.shape[1:])


def poses(x: Tensor, origin: Tensor | None, rotation: Tensor, signs: Tensor) -> Tensor:
    r"""Return :math:`s_k \odot (x - o) R_m` for M rotations and K patterns of signs: ``[M * K, n, d]``.

    For many rows of one body, on a CPU and without derivatives; in the type of x. Block by block, what is
    computed on the way stays in the processor's cache.

    Shapes:
        x ``[n, d]``, origin ``[d]``, rotation ``[M, d, d]``, signs ``[K, d]``.
    """
    out = x.new_empty(len(rotation), len(signs), *x.shape)
    head, d = len(x) // _RUN * _RUN, x.size(1)
    origin = rotation.new_zeros(d) if origin is None else origin
    rest = (x[head:] - origin) @ rotation  # [M, r, d]
    torch.mul(rest.unsqueeze(1), signs.unsqueeze(1), out=out[:, :, head:])
    # The others in runs, as a CPU broadcasts over d numbers at a time.
    runs, written = x[:head].reshape(-1, _RUN * d), out[:, :, :head].unflatten(2, (-1, _RUN)).flatten(3)
    pattern = signs.to(x.dtype).repeat(1, _RUN).unsqueeze(1)
    matrices = [repeated(one, runs) for one in rotation]
    # x R - o R loses digits that x - o keeps, but none that a narrower x has.
    is_wide = x.dtype == rotation.dtype
    shift = origin.repeat(_RUN)
    offsets = [None if is_wide else -shift[: len(matrix)] @ matrix for matrix in matrices]
    for start in range(0, len(runs), _BLOCK):
        some = slice(start, start + _BLOCK)
        y = runs[some] - shift if is_wide else runs[some].to(rotation.dtype)
        for copies, matrix, offset in zip(written, matrices, offsets, strict=True):
            torch.mul(times(y, matrix, offset).to(x.dtype), pattern, out=copies[:, some])
    return out.flatten(0, 1)


def _write(x: Tensor, signs: Tensor, out: Tensor) -> None:
    """Write the copies of ``x [n, period]`` with ``signs [K, period]`` to ``out [K, n, period]``."""
    whole = len(x) // _RUN * _RUN
    runs = out[:, :whole].unflatten(1, (-1, _RUN)).flatten(2)
    torch.mul(x[:whole].view(1, *runs.shape[1:]), signs.repeat(1, _RUN).unsqueeze(1), out=runs)
    torch.mul(x[whole:], signs.unsqueeze(1), out=out[:, whole:])


def _windowed(x: Tensor, pattern: Tensor) -> Tensor:
    """:func:`signed_copies` in one differentiable operation.

    x is cut into d long rows; each of them is multiplied by a window of the pattern, repeated periodically,
    at the phase where the row begins.
    """
    count, period = pattern.shape
    length = x.numel() // period
    step = length % period or period
    endless = pattern.repeat(1, 64)
    endless = endless.repeat(1, (length + period * period) // endless.size(1) + 1)
    windows = endless[:, : length + (period - 1) * step].unfold(1, length, step)
    return torch.mul(x.reshape(1, period, length), windows).view(count, *x.shape)
