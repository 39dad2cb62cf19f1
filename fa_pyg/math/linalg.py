"""Linear algebra on batches of ragged point sets and small matrices: sums, moments, rotation of tensors."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.autograd import forward_ad

from fa_pyg.typed import in_functional_transform

__all__ = [
    "added",
    "check_device",
    "check_real",
    "det",
    "gather",
    "is_at_hand",
    "is_plain",
    "is_traced",
    "mean",
    "repeated",
    "rotate",
    "rotate_back",
    "scatter_sum",
    "times",
    "working_dtype",
]

try:
    import torch_scatter
except (ImportError, OSError, RuntimeError):  # built against another torch, or another CUDA
    torch_scatter = None


# For fewer numbers than this, calls cost more than their work: torch's own sums, and few of them, are faster.
_FEW = 1 << 13
_REAL = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def check_real(name: str, x: Tensor, wanted: str = "floating point numbers") -> None:
    """Raise ValueError unless x is a dense tensor of real floating point numbers.

    Complex numbers are not supported, integers would be rounded when they are rotated, and sparse or nested
    tensors do not have rows.
    """
    if not isinstance(x, Tensor):
        raise ValueError(f"{name}: expected a tensor, found a {type(x).__name__}")
    if x.dtype not in _REAL or x.layout is not torch.strided or x.is_nested:
        kind = "nested" if x.is_nested else f"{x.dtype} {list(x.shape)}"
        sparse = "" if x.layout is torch.strided else f" ({x.layout})"
        raise ValueError(f"{name}: expected {wanted}, found {kind}{sparse}")


def check_device(name: str, x: Tensor, pos: Tensor) -> None:
    """Raise ValueError for a tensor on another device than the positions."""
    if x.device != pos.device:
        raise ValueError(f"{name}: expected a tensor on {pos.device}, as pos is, found one on {x.device}")


def working_dtype(x: Tensor) -> torch.dtype:
    """Return the dtype that frames are computed in: float64 if the device supports it.

    Frames are a few numbers per graph, so that double precision costs little. It keeps clouds far from the
    origin and nearly equal eigenvalues accurate when the model runs in float32 or under autocast.
    """
    return torch.float32 if x.device.type == "mps" else torch.float64


def scatter_sum(src: Tensor, index: Tensor, size: int) -> Tensor:
    """Sum the rows of ``src [n, ...]`` that share an ``index [n]`` into ``[size, ...]``.

    Uses torch_scatter if it can be imported, else torch (always under ``torch.compile`` and ``torch.func``,
    which trace through it). Both give the same numbers up to the order of the summands. Vectors
    stored as columns are summed by ``fa_pyg.math.columns.sums``, in the same order.
    """
    if torch_scatter is not None and not is_traced() and src.numel() > _FEW:
        return torch_scatter.scatter_sum(src, index, dim=0, dim_size=size)
    total = src.new_zeros(size, *src.shape[1:])
    return total.scatter_add_(0, index, src) if src.dim() == 1 else total.index_add_(0, index, src)


def added(total: Tensor, *others: Tensor) -> Tensor:
    """Return the sum of tensors, in the memory of the first; the others have its type and broadcast to it.

    The first must be a new tensor, not a view, that no backward pass needs and the caller does not use again.
    Nothing is overwritten under ``torch.compile`` and ``torch.func``, which may batch some tensors only.
    """
    for other in others:
        total = total + other if is_traced() else total.add_(other)
    return total


def is_traced() -> bool:
    """Whether a compiler or a transform of ``torch.func`` traces the caller."""
    return torch.compiler.is_compiling() or in_functional_transform()


def is_at_hand(x: Tensor) -> bool:
    """Whether values can be read without waiting for a device, and without breaking a traced graph."""
    return x.device.type == "cpu" and not torch.compiler.is_compiling()


def is_plain(*tensors: Tensor | None) -> bool:
    """Whether this is a call on a CPU that nothing traces, transforms or differentiates."""
    given = [x for x in tensors if x is not None]
    if is_traced() or forward_ad._current_level >= 0 or any(x.device.type != "cpu" for x in given):
        return False
    return not (torch.is_grad_enabled() and any(x.requires_grad for x in given))


def mean(x: Tensor, index: Tensor | None, size: int, weight: Tensor | None = None) -> Tensor:
    """Return the (weighted) mean ``[size, d]`` of the rows ``x [n, d]`` of each body; 0 for empty bodies.

    Sums of many points take two passes, the mean and then the mean of the residual: for clouds far from the
    origin, a single pass would lose digits. With few summands the error stays within the rounding of ``x``.
    """
    n = x.size(0)
    amount = _amount(x, index, size, weight)
    amount = amount.unsqueeze(-1) if isinstance(amount, Tensor) else amount
    first = _sum(x, index, size, weight) / amount
    if n <= 128 * size:
        return first
    return first + _sum(x - gather(first, index), index, size, weight) / amount


def gather(x: Tensor, index: Tensor | None) -> Tensor:
    """Return ``x[index]``, the row of each element's body; for None (one body) ``x``, which broadcasts."""
    return x if index is None else x.index_select(0, index)


def _sum(x: Tensor, index: Tensor | None, size: int, weight: Tensor | None) -> Tensor:
    if weight is not None:
        x = x * weight.view(-1, *(1,) * (x.dim() - 1))
    return x.sum(0, keepdim=True) if index is None else scatter_sum(x, index, size)


def _amount(x: Tensor, index: Tensor | None, size: int, weight: Tensor | None) -> Tensor | int:
    """The total weight of each body, ``[size]``, or a number: what sums are divided by; 1 in place of 0."""
    if weight is None and index is None:
        return x.size(0) or 1
    if weight is None:
        return _sum(x.new_ones(1).expand(x.size(0)), index, size, None).clamp(min=1)
    total = _sum(weight.to(x.dtype), index, size, None)
    return total + (total == 0)


def rotate(x: Tensor, matrix: Tensor, rank: int) -> Tensor:
    r"""Rotate x by M along each of its last ``rank`` axes.

    .. math:: y_{a b \dots} = \sum_{i j \dots} x_{i j \dots} M_{i a} M_{j b} \dots

    With the axes of a frame in the columns of M this is :math:`\rho(M)^{-1} x`.

    Computed as d elementwise products and sums of whole tensors: many tiny matrix products are slow in every
    back end, and autocast would round them to 16 bits.

    Shapes:
        x: ``[..., n, C..., d, ..., d]``; matrix: ``[n, d, d]``, or broadcastable with leading axes.
    """
    is_one = rank == 1 and matrix.shape[:-2] == (1,) and x.dtype == matrix.dtype == torch.float64
    if is_one and is_plain(x, matrix) and x.numel() >= _FEW:  # autocast leaves float64 alone
        return times(x.contiguous(), repeated(matrix[0], x))
    for _ in range(rank):
        # The first geometric axis is rotated and moved to the end: after `rank` steps all are in order again.
        x = _contract(x.movedim(-rank, -1), matrix)
    return x


def repeated(matrix: Tensor, x: Tensor) -> Tensor:
    """Return a matrix for :func:`times`: ``[d, d]`` four times on a diagonal, as thin products are slow.

    Only once for large d, and where x is not finite: zeros times NaN would spread to other vectors.
    """
    is_thin = matrix.size(0) <= 4 and x.numel() % (4 * matrix.size(0)) == 0 and math.isfinite(x.sum().item())
    return torch.block_diag(*[matrix] * 4) if is_thin else matrix


def times(x: Tensor, matrix: Tensor, offset: Tensor | None = None) -> Tensor:
    """Return the vectors of a contiguous tensor, in any shape, times a matrix, plus an offset."""
    rows = x.view(-1, matrix.size(0))
    return (rows @ matrix if offset is None else torch.addmm(offset, rows, matrix)).view(x.shape)


def rotate_back(y: Tensor, matrix: Tensor, rank: int) -> Tensor:
    """Rotate back: the inverse of :func:`rotate` for orthogonal matrices."""
    return rotate(y, matrix.transpose(-1, -2), rank)


def _contract(x: Tensor, matrix: Tensor) -> Tensor:
    between = x.dim() - matrix.dim() + 1  # axes of x between those of the bodies and the last one
    m = matrix.reshape(*matrix.shape[:-2], *(1,) * between, *matrix.shape[-2:])
    out = x[..., 0:1] * m[..., 0, :]
    for i in range(1, x.size(-1)):
        out = torch.addcmul(out, x[..., i : i + 1], m[..., i, :])
    return out


def det(matrix: Tensor) -> Tensor:
    """Return the determinants ``[...]`` of ``matrix [..., d, d]``; in closed form for d <= 3."""
    if matrix.size(-1) > 3:
        return torch.linalg.det(matrix)
    if matrix.size(-1) == 1:
        return matrix[..., 0, 0]
    a, b = matrix[..., 0], matrix[..., 1]
    if matrix.size(-1) == 2:
        return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    return (torch.linalg.cross(a, b) * matrix[..., 2]).sum(-1)
