"""Third moments: symmetric tensors of rank 3 as 10 numbers, the coefficients of a cubic polynomial."""

from __future__ import annotations

from torch import Tensor

from fa_pyg.builders.weighted.tables import cubic

__all__ = ["along", "components", "cubes"]


def cubes(x: Tensor) -> Tensor:
    """Return the products of three coordinates of vectors ``[3, ...]``: xxx, xxy, ..., zzz, ``[10, ...]``."""
    first, second, third = x.index_select(0, cubic(x).factors).view(3, 10, *x.shape[1:])
    return first * second * third


def along(third: Tensor, x: Tensor) -> Tensor:
    r"""Return :math:`\sum_{ijk} T_{ijk} x_i x_j x_k`, for ``third [10, ...]`` and ``x [3, ...]``."""
    times = cubic(third).times.view(-1, *(1,) * (third.dim() - 1))
    return (third * times * cubes(x)).sum(0)


def components(third: Tensor) -> Tensor:
    """Return all components ``[3, 3, 3, ...]`` of symmetric tensors ``[10, ...]``."""
    return third.index_select(0, cubic(third).places).view(3, 3, 3, *third.shape[1:])
