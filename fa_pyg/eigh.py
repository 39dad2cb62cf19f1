"""Symmetric eigen-decomposition of batches of small matrices, safe in value and in gradient."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["safe_eigh"]

# Below this many matrices on a CPU, LAPACK's loop beats the two hundred small tensor operations of the closed
# form, which wins above, when compiled and on GPUs, whose solvers are made for large matrices.
_CLOSED_FROM = 1000
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
        matrix: ``[..., d, d]``, symmetric (one triangle is read).

    Shapes:
        values ``[..., d]``, vectors ``[..., d, d]``.

    Not guaranteed: the sign of a vector, nor its direction inside an eigenspace of dimension two or more.
    """
    return _SafeEigh.apply(matrix)


class _SafeEigh(torch.autograd.Function):
    @staticmethod
    def forward(ctx, matrix):
        values, vectors = _solve(matrix)
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
    fast = matrix.is_cuda or matrix.shape[:-2].numel() >= _CLOSED_FROM or torch.compiler.is_compiling()
    if fast and matrix.size(-1) in (2, 3):
        return closed_form(matrix)
    blank = (matrix - matrix).sum(dim=(-2, -1), keepdim=True)  # 0, but NaN where an entry is NaN or infinite
    values, vectors = torch.linalg.eigh(matrix.nan_to_num(0.0, 0.0, 0.0))
    return values + blank.squeeze(-1), (vectors + blank).contiguous()  # LAPACK leaves them transposed


def closed_form(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues and eigenvectors of symmetric ``[..., d, d]``, d = 2 or 3, to rounding level.

    Every step is elementwise over the batch: a compiler fuses them into one kernel.
    """
    d = matrix.size(-1)
    upper = [matrix[..., i, j] for i in range(d) for j in range(i, d)]
    scale = sum(entry.abs() for entry in upper)  # so that squares neither under- nor overflow
    scale = torch.where(scale == 0, torch.ones_like(scale), scale)
    values, vectors = (_plane if d == 2 else _space)(*(entry / scale for entry in upper))
    # Written as whole tensors, then transposed: faster than entry by entry into place.
    values, vectors = torch.stack(values) * scale, torch.stack(vectors)
    return values.movedim(0, -1).contiguous(), vectors.movedim(0, -1).contiguous().view(matrix.shape)


def _plane(xx: Tensor, xy: Tensor, yy: Tensor) -> tuple[tuple, tuple]:
    c, s, gap = _larger_axis(yy - xx, 2 * xy)
    return ((xx + yy - gap) / 2, (xx + yy + gap) / 2), (s, c, -c, s)


def _space(xx: Tensor, xy: Tensor, xz: Tensor, yy: Tensor, yz: Tensor, zz: Tensor) -> tuple[tuple, tuple]:
    r"""The eigenvalues and, row by row, the matrix of eigenvectors of a symmetric 3 x 3 matrix A.

    With :math:`B = (A - q I) / p`, :math:`q = \mathrm{tr} A / 3`, :math:`p^2 = \|A - q I\|^2 / 6`, the
    eigenvalue of B that is best apart is :math:`\beta = \pm 2 \cos(\arccos(|\det B| / 2) / 3)` (Smith 1961),
    with the sign of det B. The others are at least :math:`\sqrt 3` away, so that its eigenvector v, the
    longest row of :math:`\mathrm{adj}(B - \beta I)`, is as exact as the numbers allow. They follow from one
    rotation in the plane across v, exact at every gap; Smith's formula for them would lose half of the digits
    where they meet.
    """
    q = (xx + yy + zz) / 3
    # xx - q and so on by differences: B must have no trace even where A is q I but for rounding.
    xy_gap, yz_gap, zx_gap = xx - yy, yy - zz, zz - xx
    xx, yy, zz = (xy_gap - zx_gap) / 3, (yz_gap - xy_gap) / 3, (zx_gap - yz_gap) / 3
    p = (_dot((xx, yy, zz), (xx, yy, zz)) / 6 + _dot((xy, xz, yz), (xy, xz, yz)) / 3).sqrt()
    over = 1 / torch.where(p == 0, 1, p)
    xx, xy, xz, yy, yz, zz = (entry * over for entry in (xx, xy, xz, yy, yz, zz))
    half_det = _dot((xx, xy, xz), _cross((xy, yy, yz), (xz, yz, zz))) / 2
    beta = 2 * torch.cos(torch.acos(half_det.abs().clamp(max=1)) / 3)
    beta = torch.where(half_det < 0, -beta, beta)

    v = _null_vector(xx - beta, xy, xz, yy - beta, yz, zz - beta)
    u, w = _complement(*v)
    bu = _dot((xx, xy, xz), u), _dot((xy, yy, yz), u), _dot((xz, yz, zz), u)
    # Across v the diagonal of B is (u.Bu, -beta - u.Bu), for B has no trace.
    c, s, gap = _larger_axis(_dot(u, bu) * -2 - beta, _dot(w, bu) * 2)

    def ascending(low: Tensor, high: Tensor, own: Tensor) -> tuple:
        return torch.where(last, low, own), torch.where(last, high, low), torch.where(last, own, high)

    last = beta > 0  # v belongs to the largest eigenvalue, otherwise to the smallest
    vectors = [
        ascending(_minor(s, ui, c, wi), _minor(c, ui, -s, wi), vi) for ui, wi, vi in zip(u, w, v, strict=True)
    ]
    values = ascending((-beta - gap) / 2, (gap - beta) / 2, beta)
    return tuple(torch.addcmul(q, p, value) for value in values), tuple(sum(vectors, ()))


def _dot(a: tuple, b: tuple) -> Tensor:
    return torch.addcmul(torch.addcmul(a[0] * b[0], a[1], b[1]), a[2], b[2])


def _minor(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    return torch.addcmul(a * b, c, d, value=-1)


def _cross(a: tuple, b: tuple) -> tuple:
    return _minor(a[1], b[2], a[2], b[1]), _minor(a[2], b[0], a[0], b[2]), _minor(a[0], b[1], a[1], b[0])


def _null_vector(xx: Tensor, xy: Tensor, xz: Tensor, yy: Tensor, yz: Tensor, zz: Tensor) -> tuple:
    """The unit vector v of a symmetric matrix of rank 2, whose adjugate is a multiple of v v'."""
    x, y, z = _minor(yy, zz, yz, yz), _minor(xx, zz, xz, xz), _minor(xx, yy, xy, xy)
    off_xy, off_xz, off_yz = _minor(xz, yz, xy, zz), _minor(xy, yz, xz, yy), _minor(xy, xz, xx, yz)
    first, second = (x >= y) & (x >= z), y >= z
    v = (
        torch.where(first, x, torch.where(second, off_xy, off_xz)),
        torch.where(first, off_xy, torch.where(second, y, off_yz)),
        torch.where(first, off_xz, torch.where(second, off_yz, z)),
    )
    length = _dot(v, v).rsqrt()
    return tuple(component * length for component in v)


def _complement(x: Tensor, y: Tensor, z: Tensor) -> tuple[tuple, tuple]:
    """Two unit vectors that complete a third to an orthonormal basis (Duff et al. 2017)."""
    one = torch.ones_like(z)
    s = torch.where(z < 0, -one, one)
    a = -1 / (s + z)
    b = x * y * a
    return (torch.addcmul(one, s * x, x * a), s * b, -s * x), (b, torch.addcmul(s, y, y * a), -y)


def _larger_axis(difference: Tensor, twice: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """For [[a, b], [b, a + difference]], twice = 2 b: the larger eigenvalue's vector (c, s), and the gap."""
    gap = torch.addcmul(difference * difference, twice, twice).sqrt()
    below = difference.abs() + gap
    tangent = twice / torch.where(below == 0, 1, below)  # of the half angle, at most 1
    long = torch.addcmul(torch.ones_like(tangent), tangent, tangent).rsqrt()
    short, swap = tangent * long, difference < 0
    return torch.where(swap, long, short), torch.where(swap, short, long), gap
