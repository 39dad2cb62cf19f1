"""The elements of the point groups of the plane and of space, in closed form."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

Factors = tuple[Tensor, ...]

__all__ = ["elements", "is_point_group"]


@cache
def elements(kind: str, dim: int) -> Tensor:
    """Return the elements ``[order, d, d]`` of a group, in float64, the identity first.

    A group is the product of few subgroups that share the identity alone, so that each element is met once
    and no entry sees more than a few roundings.
    """
    product = torch.eye(dim, dtype=torch.float64).unsqueeze(0)
    for factor in _factors(kind, dim):
        product = (product.unsqueeze(1) @ factor).flatten(0, 1)
    return product


def is_point_group(kind: str, dim: int) -> bool:
    """Whether there is such a group: ``"C4"`` or ``"D4"`` in 2 dimensions, ``"C4v"`` or ``"Oh"`` in 3."""
    return _factors(kind, dim) is not None


MOST_TURNS = 1024  # of a cyclic group: its elements are listed


def _factors(kind: str, dim: int) -> Factors | None:
    match = re.fullmatch(r"([A-Z])(\d{0,9})([a-z]?)", kind)
    if match is None:
        return None
    family, n = match[1] + match[3], int(match[2] or 0)
    if match[2] == "":
        return _CUBIC[family] if dim == 3 and family in _CUBIC else None
    make = _AXIAL.get((family, dim))
    return None if make is None or not 1 <= n <= MOST_TURNS or (family == "S" and n % 2) else make(n)


def _turns(n: int, dim: int, axial: float = 1.0) -> Tensor:
    """The rotations by 2 pi k / n in the plane of x and y; z is multiplied by ``axial`` to the power k."""
    group = torch.eye(dim, dtype=torch.float64).repeat(n, 1, 1)
    for k in range(n):
        # Quarter turns apart: those of C4 are exact then.
        quarters, rest = divmod(4 * k, n)
        c, s = math.cos(math.pi * rest / (2 * n)), math.sin(math.pi * rest / (2 * n))
        c, s = ((c, s), (-s, c), (-c, -s), (s, -c))[quarters]
        group[k, :2, :2] = torch.tensor([[c, -s], [s, c]], dtype=torch.float64)
        group[k, 2:] *= axial**k
    return group


def _powers(matrix: Tensor, order: int) -> Tensor:
    """The cyclic group of a matrix without rounding, one of integers."""
    return torch.stack([torch.linalg.matrix_power(matrix, k) for k in range(order)])


def _diagonal(*signs: float) -> Tensor:
    """The group of two: the identity, and this diagonal matrix."""
    return _powers(torch.tensor(signs, dtype=torch.float64).diag(), 2)


def _fivefold() -> Tensor:
    """The rotations about (0, 1, golden ratio), a vertex of the icosahedron, by Rodrigues' formula."""
    axis = torch.tensor([0.0, 1.0, (1 + math.sqrt(5)) / 2], dtype=torch.float64)
    x, y, z = (axis / axis.norm()).tolist()
    cross = torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=torch.float64)
    angle = (2 * math.pi / 5 * torch.arange(5, dtype=torch.float64)).view(-1, 1, 1)
    return torch.eye(3, dtype=torch.float64) + angle.sin() * cross + (1 - angle.cos()) * (cross @ cross)


_AXIAL: dict[tuple[str, int], Callable[[int], Factors]] = {
    ("C", 2): lambda n: (_turns(n, 2),),
    ("D", 2): lambda n: (_turns(n, 2), _diagonal(1, -1)),
    ("C", 3): lambda n: (_turns(n, 3),),
    ("Cv", 3): lambda n: (_turns(n, 3), _diagonal(1, -1, 1)),
    ("Ch", 3): lambda n: (_turns(n, 3), _diagonal(1, 1, -1)),
    ("S", 3): lambda n: (_turns(n, 3, axial=-1),),
    ("D", 3): lambda n: (_turns(n, 3), _diagonal(1, -1, -1)),
    ("Dh", 3): lambda n: (_turns(n, 3), _diagonal(1, -1, -1), _diagonal(1, 1, -1)),
    ("Dd", 3): lambda n: (_turns(2 * n, 3, axial=-1), _diagonal(1, -1, -1)),
}

_SWAP = torch.tensor([[0, 1, 0], [1, 0, 0], [0, 0, 1]], dtype=torch.float64)
_CYCLE = torch.tensor([[0, 1, 0], [0, 0, 1], [1, 0, 0]], dtype=torch.float64)
_INVERSION = _diagonal(-1, -1, -1)
_T = (_diagonal(1, -1, -1), _diagonal(-1, -1, 1), _powers(_CYCLE, 3))
_CUBIC: dict[str, Factors] = {
    "T": _T,
    "Td": (*_T, _powers(_SWAP, 2)),
    "Th": (*_T, _INVERSION),
    "O": (*_T, _powers(-_SWAP, 2)),
    "Oh": (*_T, _powers(-_SWAP, 2), _INVERSION),
    "I": (*_T, _fivefold()),
    "Ih": (*_T, _fivefold(), _INVERSION),
}
