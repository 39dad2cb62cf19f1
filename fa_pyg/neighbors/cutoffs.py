"""Smooth cutoffs: weights of pairs that fall to 0 at a distance with two derivatives."""

from __future__ import annotations

from torch import Tensor

__all__ = ["cubic_cutoff", "polynomial_envelope"]


def cubic_cutoff(square: Tensor) -> Tensor:
    r"""Compute the weight :math:`(1 - x^2)_+^3` of squared distances in units of the cutoff.

    Polynomial in the coordinates: smooth at distance 0, too.
    """
    return (1 - square).clamp(min=0) ** 3


def polynomial_envelope(x: Tensor, p: int = 5) -> Tensor:
    r"""Compute a weight of distances in units of the cutoff: 1 at 0, 0 at 1, flat to second order at both.

    "Directional Message Passing for Molecular Graphs" (Gasteiger et al. 2020).

    .. math:: u(x) = 1 - \tfrac{(p+1)(p+2)}{2} x^p + p (p+2)\, x^{p+1} - \tfrac{p (p+1)}{2} x^{p+2}

    Shapes: any; 0 beyond 1.
    """
    x = x.clamp(max=1)
    a, b, c = -(p + 1) * (p + 2) / 2, p * (p + 2), -p * (p + 1) / 2
    return 1 + x**p * (a + x * (b + x * c))
