"""Weights of nodes: of their types, and checks of those that are given."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["MOST_TYPES", "check_weight", "type_weights"]

MOST_TYPES = 10**13
"""The largest absolute value of a type: up to it, different types have different weights."""

_LINEAR = 1 << 15  # weights of larger types grow slowly, so that the others stay above rounding


def type_weights(z: Tensor, dtype: torch.dtype = torch.float64) -> Tensor:
    r"""Return a positive weight for each type of node, different for different types.

    .. math:: w(z) = z \quad (1 \le z \le L), \qquad w(z) = L (1 + \log_2(z / L)) \quad (z > L = 2^{15}),
              \qquad w(z) = \frac{1}{w(2 - z)} \quad (z < 1)

    The weight of an atomic number is the number itself; type 0, or a dummy atom of number 0, weighs 1/2. The
    weight depends on the type only, so that the frames of a graph do not depend on the rest of its batch.

    Shapes:
        z ``[N]``, integers from -:data:`MOST_TYPES` to :data:`MOST_TYPES`; NaN for others.
    """
    wide = z.to(dtype)
    far = torch.where(wide < 1, 2 - wide, wide)
    weight = torch.where(far > _LINEAR, _LINEAR * (1 + (far / _LINEAR).log2()), far)
    weight = torch.where(wide < 1, 1 / weight, weight)
    return torch.where(wide.abs() > MOST_TYPES, torch.nan, weight)


def check_weight(name: str, weight: Tensor) -> None:
    """Raise a ValueError for weights that are not real numbers in a dense tensor."""
    if weight.is_complex() or weight.layout is not torch.strided:
        raise ValueError(f"{name}: expected real numbers, found {weight.dtype} ({weight.layout})")
