"""Gram-Schmidt: orthonormal axes of a few vectors, which may vanish or be linearly dependent."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from fa_pyg.math.linalg import det
from fa_pyg.typed import norm

__all__ = ["completed", "gram_schmidt", "rejected", "signed_permutations"]


def gram_schmidt(vectors: Tensor, eps: float) -> Tensor:
    r"""Return the axes of k <= d vectors by Gram-Schmidt, 0 for vectors that depend on earlier ones.

    .. math:: u_i = v_i - \sum_{j < i} (v_i \cdot e_j)\, e_j, \qquad e_i = u_i / |u_i|

    Args:
        vectors: ``[..., k, d]``, the vectors in the rows.
        eps: :math:`u_i` counts as 0 up to this length, and up to ``eps`` times the longest vector.

    Shapes:
        ``[..., d, d]``: the axes in the columns, the last d - k of them 0 (see :func:`completed`).
    """
    d = vectors.size(-1)
    axes = vectors.new_zeros(*vectors.shape[:-2], d, d)
    if vectors.size(-2) == 0:
        return axes
    floor = eps * norm(vectors.detach(), dim=-1, keepdim=True).amax(dim=-2).clamp(min=1)
    columns = torch.eye(d, dtype=vectors.dtype, device=vectors.device)
    for vector, column in zip(vectors.unbind(-2), columns, strict=False):
        rest = rejected(vector, axes)
        some = ~((rest.detach() ** 2).sum(-1, keepdim=True) <= floor**2)  # `~(<=)`: NaN stays NaN
        axes = axes + _unit_or_0(rest, some).unsqueeze(-1) * column
    return axes


def rejected(vector: Tensor, axes: Tensor) -> Tensor:
    """Return the component ``[..., d]`` of a vector orthogonal to orthonormal axes (columns, which may be 0).

    Subtracted twice: of nearly parallel vectors, the first difference is not orthogonal up to rounding.
    """
    for _ in range(2):
        inside = (vector.unsqueeze(-1) * axes).sum(-2, keepdim=True)
        vector = vector - (axes * inside).sum(-1)
    return vector


def completed(axes: Tensor) -> tuple[Tensor, Tensor]:
    """Fill columns of zeros so that the determinant is +1; return the axes, and a mask of these columns.

    A single missing axis is the (generalized) cross product of the others. If more are missing, they are
    arbitrary: made from the coordinate axes, they are finite and the same in every call, but do not rotate
    with the input.

    Shapes:
        axes ``[..., d, d]``; returns ``[..., d, d]`` and ``[..., d]``, boolean.
    """
    missing = (axes.detach() == 0).all(dim=-2)
    columns = torch.eye(axes.size(-1), dtype=axes.dtype, device=axes.device)
    for lacks, column in zip(missing.unbind(-1), columns, strict=True):
        # The coordinate axis farthest from the span of the other axes, at a distance of at least 1 / sqrt(d).
        far = (1 - axes.detach().square().sum(-1)).argmax(-1)
        rest = rejected(columns[far], axes)
        axes = axes + _unit_or_0(rest, lacks.unsqueeze(-1)).unsqueeze(-1) * column
    last = missing & (missing.cumsum(-1) == missing.sum(-1, keepdim=True))
    sign = det(axes.detach()).sign().unsqueeze(-1)
    return axes * torch.where(last, sign, torch.ones_like(sign)).unsqueeze(-2), missing


def signed_permutations(dim: int, m: int, reflects: bool) -> Tensor:
    """Return all signed permutations of the last m of d axes, with det = +1 unless the group reflects."""
    eye = torch.eye(m, dtype=torch.float64)
    blocks = torch.stack(
        [
            eye[list(order)] * torch.tensor(signs, dtype=eye.dtype)
            for order in itertools.permutations(range(m))
            for signs in itertools.product((1.0, -1.0), repeat=m)
        ]
    )
    full = torch.eye(dim, dtype=eye.dtype).repeat(len(blocks), 1, 1)
    full[:, dim - m :, dim - m :] = blocks
    return full if reflects else full[det(full) > 0]


def _unit_or_0(vector: Tensor, some: Tensor) -> Tensor:
    # Missing vectors must not divide by 0, not even where the quotient is discarded: gradients would be NaN.
    vector = torch.where(some, vector, torch.ones_like(vector))
    return torch.where(some, vector / norm(vector, dim=-1, keepdim=True), torch.zeros_like(vector))
