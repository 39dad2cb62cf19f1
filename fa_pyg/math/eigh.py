"""Symmetric eigen-decomposition of batches of small matrices, safe in value and in gradient."""

from __future__ import annotations

import math
from typing import Literal, overload

import torch
from torch import Tensor

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
    return _closed_form(matrix, values=False)[1] if _has_fast_form(matrix) else _solved(matrix)[1]


class _SafeEigh(torch.autograd.Function):
    @staticmethod
    def forward(ctx, matrix):
        values, vectors = _solve(matrix)
        ctx.save_for_backward(values, vectors)
        return values, vectors

    @staticmethod
    def backward(ctx, grad_values, grad_vectors):
        values, vectors = ctx.saved_tensors
        # dynamo traces a backward pass without gradients: second derivatives would silently lack a part
        with torch.set_grad_enabled(torch.is_grad_enabled() or torch.compiler.is_compiling()):
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
    return _closed_form(matrix) if _has_fast_form(matrix) else _solved(matrix)


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
    is_at_hand = matrix.device.type == "cpu" and not torch.compiler.is_compiling() and not _is_transformed()
    return is_at_hand and math.isfinite(matrix.sum().item())


def _library(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Decompose by torch's solver, a bounded number of matrices at a time."""
    if torch.compiler.is_compiling() or matrix.shape[:-2].numel() <= _AT_ONCE:  # numel() fixes the size
        return torch.linalg.eigh(matrix)
    parts = [torch.linalg.eigh(part) for part in matrix.flatten(0, -3).split(_AT_ONCE)]
    values, vectors = (torch.cat(part) for part in zip(*parts, strict=True))
    return values.view(matrix.shape[:-1]), vectors.view(matrix.shape)


@overload
def _closed_form(matrix: Tensor, values: Literal[True] = True) -> tuple[Tensor, Tensor]: ...
@overload
def _closed_form(matrix: Tensor, values: bool) -> tuple[Tensor | None, Tensor]: ...
def _closed_form(matrix: Tensor, values: bool = True) -> tuple[Tensor | None, Tensor]:
    """Eigenvalues (optional) and eigenvectors of symmetric ``[..., d, d]``, d = 2 or 3, up to rounding.

    Every step is elementwise over the batch, the last axis: a compiler fuses them into a few loops.
    """
    entries = matrix.flatten(-2).unbind(-1)
    order = (0, 4, 8, 5, 2, 1) if matrix.size(-1) == 3 else (0, 3, 1)
    upper = torch.stack([entries[i] for i in order])  # xx, yy, zz, yz, zx, xy, or xx, yy, xy
    # Squares must neither underflow nor overflow.
    scale = upper.abs().amax(0).clamp(min=torch.finfo(matrix.dtype).tiny)
    found, vectors = (_space if matrix.size(-1) == 3 else _plane)(upper / scale, values)
    found = None if found is None else (found * scale).movedim(0, -1).contiguous()
    return found, vectors.movedim((0, 1), (-2, -1)).contiguous()


def _plane(upper: Tensor, values: bool) -> tuple[Tensor | None, Tensor]:
    xx, yy, xy = upper
    difference, twice = xx - yy, 2 * xy
    c, s = _larger_axis(difference, twice)
    vectors = torch.stack([torch.stack([s, c]), torch.stack([-c, s])])
    if not values:
        return None, vectors
    gap = torch.hypot(difference, twice)
    return torch.stack([xx + yy - gap, xx + yy + gap]) / 2, vectors


def _space(upper: Tensor, values: bool) -> tuple[Tensor | None, Tensor]:
    r"""The eigenvalues ``[3, ...]`` and eigenvectors ``[3, 3, ...]`` of symmetric 3 x 3 matrices A.

    With :math:`B = (A - q I) / p`, :math:`q = \mathrm{tr} A / 3`, :math:`p^2 = \|A - q I\|^2 / 6`, the
    most isolated eigenvalue of B is :math:`\beta = \pm 2 \cos(\arccos(|\det B| / 2) / 3)` (Smith 1961), with
    the sign of det B. The others are at least :math:`\sqrt 3` away, so that its eigenvector v, the longest
    row of :math:`\mathrm{adj}(B - \beta I) = \mathrm{adj} B + \beta B + \beta^2 I`, is exact to rounding. A
    rotation in the plane perpendicular to v gives the other two, accurately at every gap; Smith's formula
    would lose half of the digits where they meet.
    """
    q = upper[:3].mean(0)
    diag, off = upper[:3] - q, upper[3:]  # off[i]: the entry of the two axes other than i
    p = (torch.add((diag * diag).sum(0), (off * off).sum(0), alpha=2) / 6).sqrt()
    # A multiple of I up to rounding counts as one: the remainder is noise, and its trace may not even be 0.
    over = torch.where(p > 4 * torch.finfo(p.dtype).eps, 1 / p, 0)
    diag, off = diag * over, off * over
    off_next, off_last = off.roll(-1, 0), off.roll(1, 0)
    adj_diag = torch.addcmul(diag.roll(-1, 0) * diag.roll(1, 0), off, off, value=-1)
    adj_off = torch.addcmul(off_next * off_last, diag, off, value=-1)
    half_det = torch.add((diag * adj_diag).sum(0), (off * adj_off).sum(0), alpha=2) / 6
    beta = (2 * torch.cos(torch.acos(half_det.abs().clamp(max=1)) / 3)).copysign(half_det)

    xx, yy, zz = torch.addcmul(adj_diag + beta * beta, beta, diag)
    yz, zx, xy = torch.addcmul(adj_off, beta, off)
    x_leads = (xx >= yy) & (xx >= zz)
    rest = torch.where(yy >= zz, torch.stack([xy, yy, yz]), torch.stack([zx, yz, zz]))
    v = _unit(torch.where(x_leads, torch.stack([xx, xy, zx]), rest))
    x, y, z = v
    none = torch.zeros_like(x)
    u = _unit(torch.where(x_leads, torch.stack([-z, none, x]), torch.stack([none, z, -y])))
    w = torch.linalg.cross(v, u, dim=0)

    bu = torch.addcmul(torch.addcmul(diag * u, off_last, u.roll(-1, 0)), off_next, u.roll(1, 0))
    # In the basis (u, w) the diagonal of B is (u.Bu, -beta - u.Bu), since the trace of B is 0.
    difference, twice = torch.add(beta, (u * bu).sum(0), alpha=2), 2 * (w * bu).sum(0)
    c, s = _larger_axis(difference, twice)
    smaller, larger = torch.addcmul(s * u, c, w, value=-1), torch.addcmul(c * u, s, w)
    v_last = beta > 0  # v belongs to the largest eigenvalue, otherwise to the smallest

    def ascending(low: Tensor, high: Tensor, of_v: Tensor, dim: int) -> Tensor:
        first, second = torch.where(v_last, low, of_v), torch.where(v_last, high, low)
        return torch.stack([first, second, torch.where(v_last, of_v, high)], dim)

    vectors = ascending(smaller, larger, v, 1)
    if not values:
        return None, vectors
    gap = torch.hypot(difference, twice)
    return torch.addcmul(q, p, ascending((-beta - gap) / 2, (gap - beta) / 2, beta, 0)), vectors


def _unit(v: Tensor) -> Tensor:
    return v * (v * v).sum(0).rsqrt()


def _larger_axis(difference: Tensor, twice: Tensor) -> tuple[Tensor, Tensor]:
    """The eigenvector (c, s) of the larger eigenvalue of [[b + difference, a], [a, b]], with twice = 2 a."""
    angle = torch.atan2(twice, difference) / 2
    return angle.cos(), angle.sin()
