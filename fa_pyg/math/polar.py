"""The orthogonal factor of the polar decomposition of small matrices, smooth in value and in gradient."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["orthogonal_factor"]

_STEPS = 12  # scaled Newton steps; 9 are enough for every condition number that float64 holds


def orthogonal_factor(matrix: Tensor) -> Tensor:
    r"""Return the orthogonal matrix nearest to each matrix, the factor Q of its polar decomposition.

    .. math:: M = P Q, \qquad P = (M M^\top)^{1/2}, \qquad X_{k+1} = \tfrac12 \left(\gamma_k X_k
              + \gamma_k^{-1} X_k^{-\top}\right) \to Q

    by Newton's iteration with Higham's scaling. Q is a C-infinity function of a nonsingular matrix, even at
    equal singular values, where eigenvectors are not differentiable; det Q has the sign of det M. Derivatives
    of any order are supported, forward and backward.

    Shapes:
        ``[..., 3, 3]`` to ``[..., 3, 3]``.

    Not guaranteed: finite numbers for singular matrices.
    """
    for _ in range(_STEPS):
        cofactor = torch.linalg.cross(matrix.roll(-1, -2), matrix.roll(-2, -2), dim=-1)
        inverse = cofactor / (matrix * cofactor).sum(-1, keepdim=True)[..., :1, :]
        # The limit does not depend on the scales, so that they need no derivative.
        scale = (_norm(inverse.detach()) / _norm(matrix.detach())).sqrt()
        matrix = (scale * matrix + inverse / scale) / 2
    return matrix


def _norm(matrix: Tensor) -> Tensor:
    return matrix.square().sum((-2, -1), keepdim=True).sqrt()
