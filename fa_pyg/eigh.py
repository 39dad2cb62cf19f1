"""Symmetric eigen-decomposition of batches of small matrices, safe in value and in gradient."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["safe_eigh"]

# Eager LAPACK calls win below this many matrices; above, under torch.compile and on GPUs (whose batched
# solvers are made for large matrices) the unrolled Jacobi rotations do. Measured in benchmarks/frames.py.
_JACOBI_FROM = 2000
_SWEEPS = {1: 0, 2: 1, 3: 5}
# Gaps below this share of the largest eigenvalue are rounding noise: the axes inside are arbitrary.
_FLOOR = 1e-12


def safe_eigh(matrix: Tensor) -> tuple[Tensor, Tensor]:
    r"""Eigenvalues (ascending) and eigenvectors (columns) of symmetric matrices, with a finite gradient.

    .. math:: \bar A = V \left(\mathrm{diag}(\bar\lambda) + F \circ V^\top \bar V\right) V^\top, \qquad
              F_{ij} = 1 / (\lambda_j - \lambda_i)

    where F is set to 0 at gaps below 1e-12 of the largest eigenvalue (float64; 1e-5 in float32): there the
    derivative of an eigenvector does not exist. It can be differentiated twice. A matrix with a NaN or an
    infinity gives NaN for itself and leaves the others alone.

    Args:
        matrix: ``[..., d, d]``; only its symmetric part counts.

    Shapes:
        values ``[..., d]``, vectors ``[..., d, d]``.

    Not guaranteed: the sign of a vector, nor its direction inside an eigenspace of dimension two or more.
    """
    return _SafeEigh.apply(matrix)


class _SafeEigh(torch.autograd.Function):
    @staticmethod
    def forward(ctx, matrix):
        # Scaled to a largest entry of 1, so that neither tiny nor huge clouds under- or overflow.
        scale = matrix.abs().amax(dim=(-2, -1), keepdim=True)
        good = torch.isfinite(scale)
        scale = torch.where(good & (scale > 0), scale, torch.ones_like(scale))
        values, vectors = _solve(torch.where(good, matrix / scale, torch.zeros_like(matrix)))
        nan = torch.full((), torch.nan, dtype=matrix.dtype, device=matrix.device)
        values = torch.where(good[..., 0], values * scale[..., 0], nan)
        vectors = torch.where(good, vectors, nan)
        ctx.save_for_backward(values, vectors)
        return values, vectors

    @staticmethod
    def backward(ctx, grad_values, grad_vectors):
        values, vectors = ctx.saved_tensors
        gap = values.unsqueeze(-2) - values.unsqueeze(-1)
        floor = _FLOOR if values.dtype == torch.float64 else 1e-5
        # `~(<=)` and not `>`, so that NaN stays NaN instead of turning into a zero gradient.
        apart = ~(gap.abs() <= floor * values.abs().amax(dim=-1)[..., None, None])
        inverse = torch.where(apart, 1 / torch.where(apart, gap, torch.ones_like(gap)), torch.zeros_like(gap))
        inner = inverse * (vectors.transpose(-1, -2) @ grad_vectors) + torch.diag_embed(grad_values)
        grad = vectors @ inner @ vectors.transpose(-1, -2)
        return (grad + grad.transpose(-1, -2)) / 2


def _solve(matrix: Tensor) -> tuple[Tensor, Tensor]:
    small = matrix.size(-1) in _SWEEPS
    if small and (
        torch.compiler.is_compiling() or matrix.is_cuda or matrix[..., 0, 0].numel() >= _JACOBI_FROM
    ):
        return jacobi(matrix, _SWEEPS[matrix.size(-1)])
    return torch.linalg.eigh(matrix)


def jacobi(matrix: Tensor, sweeps: int) -> tuple[Tensor, Tensor]:
    """Cyclic Jacobi rotations (Golub and Van Loan, section 8.5), unrolled over the entries of the matrix.

    Every step is elementwise over the batch, so that a compiler fuses all of them into one kernel. One sweep
    is exact for d = 2; for d = 3 five reach rounding level (convergence is quadratic).
    """
    d = matrix.size(-1)
    a = [[matrix[..., i, j] for j in range(d)] for i in range(d)]
    v = [[torch.full_like(a[0][0], float(i == j)) for j in range(d)] for i in range(d)]
    for _ in range(sweeps):
        for p in range(d):
            for q in range(p + 1, d):
                _rotate(a, v, p, q)
    values = torch.stack([a[i][i] for i in range(d)], dim=-1)
    vectors = torch.stack([torch.stack(row, dim=-1) for row in v], dim=-2)
    values, order = values.sort(dim=-1)
    return values, vectors.gather(-1, order.unsqueeze(-2).expand_as(vectors))


def _rotate(a: list, v: list, p: int, q: int) -> None:
    """Turns the (p, q) plane in place (of the lists) so that ``a[p][q]`` vanishes."""
    difference, twice = a[q][q] - a[p][p], 2 * a[p][q]
    below = difference.abs() + (difference * difference + twice * twice).sqrt()
    t = torch.where(difference < 0, -twice, twice) / torch.where(below == 0, torch.ones_like(below), below)
    c = (t * t + 1).rsqrt()
    s = t * c
    a[p][p], a[q][q] = a[p][p] - t * a[p][q], a[q][q] + t * a[p][q]
    a[p][q] = a[q][p] = torch.zeros_like(t)
    for k in range(len(a)):
        if k not in (p, q):
            a[k][p], a[k][q] = c * a[k][p] - s * a[k][q], s * a[k][p] + c * a[k][q]
            a[p][k], a[q][k] = a[k][p], a[k][q]
        v[k][p], v[k][q] = c * v[k][p] - s * v[k][q], s * v[k][p] + c * v[k][q]
