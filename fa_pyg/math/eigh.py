"""Symmetric eigen-decomposition of batches of small matrices, safe in value and in gradient."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fa_pyg.math.closed_form import closed_form
from fa_pyg.math.linalg import is_at_hand
from fa_pyg.typed import in_functional_transform

__all__ = ["safe_axes", "safe_eigh"]

# For fewer matrices than this on a CPU, LAPACK's loop beats the hundred small tensor operations of the closed
# form. For more, when compiled, and on GPUs, whose solvers target large matrices, the closed form wins.
_CLOSED_FROM = 300
# Some versions of the solvers for accelerators fail on more matrices than this in one call.
_AT_ONCE = 1 << 14


def safe_eigh(matrix: Tensor) -> tuple[Tensor, Tensor]:
    r"""Eigenvalues (ascending) and eigenvectors (columns) of symmetric matrices, with a finite gradient.

    .. math:: \bar A = V \left(\mathrm{diag}(\bar\lambda) + F \circ V^\top \bar V\right) V^\top, \qquad
              F_{ij} = 1 / (\lambda_j - \lambda_i)

    where F is set to 0 at gaps below 1e-12 of the largest eigenvalue (float64; 1e-5 in float32): there the
    derivative of an eigenvector does not exist. Second derivatives are supported, and so are the transforms
    of ``torch.func``. A NaN or an infinity in a matrix makes its result NaN and does not affect the others.

    Args:
        matrix: ``[..., d, d]``, symmetric (one triangle is read).

    Shapes:
        values ``[..., d]``, vectors ``[..., d, d]``.

    Not guaranteed: the sign of a vector, nor its direction within an eigenspace of dimension two or more.
    """
    return (_SafeEighFunc if _is_transformed() else _SafeEigh).apply(matrix)


def safe_axes(matrix: Tensor) -> Tensor:
    """Eigenvectors of symmetric matrices: :func:`safe_eigh` without eigenvalues, faster without gradients."""
    if (matrix.requires_grad and torch.is_grad_enabled()) or _is_transformed():
        return safe_eigh(matrix)[1]
    return closed_form(matrix, values=False)[1] if _has_fast_form(matrix) else _solved(matrix)[1]


class _SafeEigh(torch.autograd.Function):
    @staticmethod
    def forward(ctx, matrix):
        values, vectors = _solve(matrix)
        ctx.save_for_backward(values, vectors)
        return values, vectors

    @staticmethod
    def backward(ctx, grad_values, grad_vectors):
        # dynamo traces a backward pass without gradients: second derivatives would silently lack a part
        with torch.set_grad_enabled(torch.is_grad_enabled() or torch.compiler.is_compiling()):
            values, vectors = ctx.saved_tensors
            return _pulled_back(values, vectors, grad_values, grad_vectors)


class _SafeEighFunc(torch.autograd.Function):
    """The same for ``torch.func``, apart: torch wraps such a function in more Python code."""

    generate_vmap_rule = True

    @staticmethod
    def backward(ctx, grad_values, grad_vectors):
        return _SafeEigh.backward(ctx, grad_values, grad_vectors)

    @staticmethod
    def forward(matrix):
        return _solve(matrix)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*output)
        ctx.save_for_forward(*output)

    @staticmethod
    def jvp(ctx, tangent):
        values, vectors = ctx.saved_tensors
        inner = vectors.transpose(-1, -2) @ ((tangent + tangent.transpose(-1, -2)) / 2) @ vectors
        return inner.diagonal(dim1=-2, dim2=-1), vectors @ (_inverse_gaps(values) * inner)


def _pulled_back(values: Tensor, vectors: Tensor, grad_values: Tensor, grad_vectors: Tensor) -> Tensor:
    """Return the gradient of symmetric matrices, given those of their eigenvalues and eigenvectors."""
    inverse = _inverse_gaps(values)
    inner = inverse * (vectors.transpose(-1, -2) @ grad_vectors) + torch.diag_embed(grad_values)
    grad = vectors @ inner @ vectors.transpose(-1, -2)
    return (grad + grad.transpose(-1, -2)) / 2


def _inverse_gaps(values: Tensor) -> Tensor:
    r"""The factors :math:`1 / (\lambda_j - \lambda_i)`; 0 where eigenvalues are equal up to rounding."""
    gap = values.unsqueeze(-2) - values.unsqueeze(-1)
    # Gaps below this share of the largest value are rounding noise: the axes of such a pair are arbitrary.
    floor = 1e-12 if values.dtype == torch.float64 else 1e-5
    # `~(<=)` and not `>`, so that NaN stays NaN instead of turning into a zero gradient.
    apart = ~(gap.abs() <= floor * values.abs().amax(dim=-1)[..., None, None])
    return torch.where(apart, 1 / torch.where(apart, gap, torch.ones_like(gap)), torch.zeros_like(gap))


def _is_transformed() -> bool:
    """Whether a transform of ``torch.func`` is active."""
    return not torch.compiler.is_compiling() and in_functional_transform()


def _has_fast_form(matrix: Tensor) -> bool:
    """Whether the closed form is there for these matrices, and faster than the library."""
    many = torch.compiler.is_compiling() or matrix.is_cuda or matrix.shape[:-2].numel() >= _CLOSED_FROM
    return many and matrix.size(-1) in (2, 3)


def _solve(matrix: Tensor) -> tuple[Tensor, Tensor]:
    return closed_form(matrix) if _has_fast_form(matrix) else _solved(matrix)


def _solved(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Decompose by torch's solver, which may fail where an entry is not finite."""
    if _is_finite(matrix):
        values, vectors = _library(matrix)
        return values, vectors.contiguous()  # LAPACK leaves them transposed
    blank = (matrix - matrix).sum(dim=(-2, -1), keepdim=True)  # 0, but NaN where an entry is NaN or infinite
    values, vectors = _library(matrix.nan_to_num(0.0, 0.0, 0.0))
    return values + blank.squeeze(-1), (vectors + blank).contiguous()


def _is_finite(matrix: Tensor) -> bool:
    """Whether all entries are finite; False where reading them would take time or cannot be traced."""
    return is_at_hand(matrix) and not _is_transformed() and math.isfinite(matrix.sum().item())


def _library(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Decompose by torch's solver, a bounded number of matrices at a time."""
    if torch.compiler.is_compiling() or matrix.shape[:-2].numel() <= _AT_ONCE:  # numel() fixes the size
        return torch.linalg.eigh(matrix)
    parts = [torch.linalg.eigh(part) for part in matrix.flatten(0, -3).split(_AT_ONCE)]
    values, vectors = (torch.cat(part) for part in zip(*parts, strict=True))
    return values.view(matrix.shape[:-1]), vectors.view(matrix.shape)
