"""Closed form of the eigen-decomposition of symmetric 2 x 2 and 3 x 3 matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, overload

import torch
from torch import Tensor

__all__ = ["closed_form"]


@overload
def closed_form(matrix: Tensor, values: Literal[True] = True) -> tuple[Tensor, Tensor]: ...
@overload
def closed_form(matrix: Tensor, values: bool) -> tuple[Tensor | None, Tensor]: ...
def closed_form(matrix: Tensor, values: bool = True) -> tuple[Tensor | None, Tensor]:
    """Eigenvalues (optional) and eigenvectors of symmetric ``[..., d, d]``, d = 2 or 3, up to rounding.

    Every number is a tensor over the batch, so that a compiler fuses all of them into one loop.
    """
    entries = matrix.flatten(-2).unbind(-1)
    d = matrix.size(-1)
    order = (0, 4, 8, 5, 2, 1) if d == 3 else (0, 3, 1)
    upper = torch.stack([entries[i] for i in order])  # xx, yy, zz, yz, zx, xy, or xx, yy, xy
    # Squares must neither underflow nor overflow.
    scale = upper.abs().amax(0).clamp(min=torch.finfo(matrix.dtype).tiny)
    found, vectors = (_space if d == 3 else _plane)((upper / scale).unbind(), values)
    rows = torch.stack(vectors).unflatten(0, (d, d)).movedim((0, 1), (-2, -1)).contiguous()
    return (torch.stack(found, -1) * scale.unsqueeze(-1) if found else None), rows


def _plane(upper: tuple[Tensor, ...], values: bool) -> tuple[list[Tensor], list[Tensor]]:
    xx, yy, xy = upper
    difference, twice = xx - yy, 2 * xy
    c, s = _larger_axis(difference, twice)
    vectors = [s, c, -c, s]
    if not values:
        return [], vectors
    gap = torch.hypot(difference, twice)
    return [(xx + yy - gap) / 2, (xx + yy + gap) / 2], vectors


def _space(upper: tuple[Tensor, ...], values: bool) -> tuple[list[Tensor], list[Tensor]]:
    r"""The 3 eigenvalues and the 9 entries of the eigenvectors of symmetric 3 x 3 matrices A.

    With :math:`B = (A - q I) / p`, :math:`q = \mathrm{tr} A / 3`, :math:`p^2 = \|A - q I\|^2 / 6`, the
    most isolated eigenvalue of B is :math:`\beta = \pm 2 \cos(\arccos(|\det B| / 2) / 3)` (Smith 1961), with
    the sign of det B. The others are at least :math:`\sqrt 3` away, so that its eigenvector v, the longest
    row of :math:`\mathrm{adj}(B - \beta I) = \mathrm{adj} B + \beta B + \beta^2 I`, is exact to rounding. A
    rotation in the plane perpendicular to v gives the other two, accurately at every gap; Smith's formula
    would lose half of the digits where they meet.
    """
    q = (upper[0] + upper[1] + upper[2]) / 3
    diag, off = [x - q for x in upper[:3]], upper[3:]  # off[i]: the entry of the two axes other than i
    p = (torch.add(_dot(diag, diag), _dot(off, off), alpha=2) / 6).sqrt()
    # A multiple of I up to rounding counts as one: the remainder is noise, and its trace may not even be 0.
    over = torch.where(p > 4 * torch.finfo(p.dtype).eps, 1 / p, 0)
    diag, off = _times(diag, over), _times(off, over)
    adj_diag = [_minor(diag[i - 2], diag[i - 1], off[i], off[i]) for i in range(3)]
    adj_off = [_minor(off[i - 2], off[i - 1], diag[i], off[i]) for i in range(3)]
    half_det = torch.add(_dot(diag, adj_diag), _dot(off, adj_off), alpha=2) / 6
    beta = (2 * torch.cos(torch.acos(half_det.abs().clamp(max=1)) / 3)).copysign(half_det)

    square = beta * beta
    xx, yy, zz = (torch.addcmul(a + square, beta, b) for a, b in zip(adj_diag, diag, strict=True))
    yz, zx, xy = (torch.addcmul(a, beta, b) for a, b in zip(adj_off, off, strict=True))
    x_leads, y_leads = (xx >= yy) & (xx >= zz), yy >= zz
    longest = [
        torch.where(x_leads, a, torch.where(y_leads, b, c))
        for a, b, c in ((xx, xy, zx), (xy, yy, yz), (zx, yz, zz))
    ]
    v = _times(longest, _dot(longest, longest).rsqrt())
    leading = torch.where(x_leads, v[0], v[1])
    over = torch.addcmul(leading * leading, v[2], v[2]).rsqrt()
    leading, z = leading * over, v[2] * over
    u = [torch.where(x_leads, -z, 0), torch.where(x_leads, 0, z), torch.where(x_leads, leading, -leading)]
    w = [_minor(v[i - 2], u[i - 1], v[i - 1], u[i - 2]) for i in range(3)]

    bu = [_dot([diag[i], off[i - 1], off[i - 2]], [u[i], u[i - 2], u[i - 1]]) for i in range(3)]
    # In the basis (u, w) the diagonal of B is (u.Bu, -beta - u.Bu), since the trace of B is 0.
    difference, twice = torch.add(beta, _dot(u, bu), alpha=2), 2 * _dot(w, bu)
    c, s = _larger_axis(difference, twice)
    v_last = beta > 0  # v belongs to the largest eigenvalue, otherwise to the smallest

    def ascending(low: Tensor, high: Tensor, of_v: Tensor) -> list[Tensor]:
        first, second = torch.where(v_last, low, of_v), torch.where(v_last, high, low)
        return [first, second, torch.where(v_last, of_v, high)]

    rotated = ((_minor(s, u[i], c, w[i]), torch.addcmul(c * u[i], s, w[i]), v[i]) for i in range(3))
    vectors = [entry for row in rotated for entry in ascending(*row)]
    if not values:
        return [], vectors
    gap = torch.hypot(difference, twice)
    found = ascending((-beta - gap) / 2, (gap - beta) / 2, beta)
    return [torch.addcmul(q, p, x) for x in found], vectors


def _dot(a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
    return torch.addcmul(torch.addcmul(a[0] * b[0], a[1], b[1]), a[2], b[2])


def _minor(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    """The number a b - c d."""
    return torch.addcmul(a * b, c, d, value=-1)


def _times(a: Sequence[Tensor], factor: Tensor) -> list[Tensor]:
    return [x * factor for x in a]


def _larger_axis(difference: Tensor, twice: Tensor) -> tuple[Tensor, Tensor]:
    """The eigenvector (c, s) of the larger eigenvalue of [[b + difference, a], [a, b]], with twice = 2 a."""
    angle = torch.atan2(twice, difference) / 2
    return angle.cos(), angle.sin()
