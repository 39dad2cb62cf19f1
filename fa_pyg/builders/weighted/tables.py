"""Constant tables of weighted frames: orders of axes, and rotations of a cube."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor

__all__ = [
    "ALL",
    "GIVEN",
    "HALF_TURNS",
    "SORTED",
    "SWAPPED",
    "Cubic",
    "Orders",
    "Polynomial",
    "column",
    "cube_rotations",
    "cubic",
    "numbers_of_rotations",
    "orders",
    "polynomial",
]

# Rules for the weights of the orders of a frame's axes: the given order alone; softly, by the spread along
# each axis; the same, averaged over the exchange of the first two, for lines; all equally, for points. In
# chosen signs, frames of the last two are averaged over rotations instead: quarter turns, those of a cube.
GIVEN, SORTED, SWAPPED, ALL = range(4)

HALF_TURNS = (0, 1, 4, 5)  # the identity and half turns about the axes, among the rotations of a cube

# The place of each component of a symmetric tensor of rank 3 among those that differ: xxx, xxy, ..., zzz.
_KEPT: list[tuple[int, ...]] = list(itertools.combinations_with_replacement(range(3), 3))
_PLACES = [_KEPT.index(tuple(sorted(ijk))) for ijk in itertools.product(range(3), repeat=3)]


class Orders(NamedTuple):
    """Tables of the orders of d axes.

    Args:
        table: all orders, the given one first.
        places: the place of each axis in each order.
        rules: for each rule, how the weights of orders are mixed.

    Shapes:
        table ``[d!, d]``, places ``[d, d!]``, rules ``[4, d!, d!]``.
    """

    table: Tensor
    places: Tensor
    rules: Tensor


def column(entries: tuple[float, ...], like: Tensor) -> Tensor:
    """Return numbers as a column ``[n, 1]``, with the type and the device of a tensor."""
    return _constant(_column, entries, like.dtype, like.device)


def orders(dim: int, like: Tensor) -> Orders:
    """Return the tables of orders, with the type and the device of a tensor."""
    return _constant(_orders, dim, like.dtype, like.device)


class Cubic(NamedTuple):
    """Tables of symmetric tensors of rank 3 that are stored as 10 components, xxx, xxy, ..., zzz.

    Args:
        times: how often each of these is a component.
        places: the place among these of each component.
        factors: the coordinates whose products these are.

    Shapes:
        times ``[10]``, places ``[27]``, factors ``[30]``: all first ones, all second ones, all third ones.
    """

    times: Tensor
    places: Tensor
    factors: Tensor


class Polynomial(NamedTuple):
    r"""Tables of third moments along directions across an axis, as polynomials in a cosine c and a sine s.

    With e = c u + s v and w = a x e = c v - s u, the third moment along e is a sum over c^3, c^2 s, c s^2 and
    s^3, and eew + www + aaw + aew one over c, s, c^2 - s^2 and c s. Each coefficient is a sum of three
    multiples of components in the basis (u, v, a).

    Shapes:
        places and times ``[3, 8]``.
    """

    places: Tensor
    times: Tensor


def polynomial(like: Tensor) -> Polynomial:
    """Return the tables of polynomials, with the type and the device of a tensor."""
    return _constant(_polynomial, like.dtype, like.device)


def cubic(like: Tensor) -> Cubic:
    """Return the tables of symmetric tensors, with the type and the device of a tensor."""
    return _constant(_cubic, like.dtype, like.device)


def numbers_of_rotations(rule: Tensor) -> Tensor:
    """Return the number of rotations that frames in chosen signs are averaged over, by their rules."""
    return _constant(_numbers, rule.device).index_select(0, rule.flatten()).view_as(rule)


def cube_rotations(dim: int, like: Tensor) -> Tensor:
    """Return the rotations of a cube: the identity, the others about the last axis, the rest.

    Those at :data:`HALF_TURNS` are the half turns (of a square: the first two of these).

    Shapes:
        ``[24, 3, 3]``, or the four of a square, ``[4, 2, 2]``.
    """
    return _constant(_rotations, dim, like.dtype, like.device)


def _constant(make: Callable[..., Any], *given: Any) -> Any:
    """The tables that a function makes, made once; in compiled code they are constants of the graph."""
    return make(*given) if torch.compiler.is_compiling() else _kept(make, *given)


@cache
@torch.inference_mode(False)  # kept: tensors made in inference mode cannot be differentiated later
def _kept(make: Callable[..., Any], *given: Any) -> Any:
    return make(*given)


def _column(entries: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    return torch.tensor(entries, dtype=dtype, device=device).unsqueeze(1)


def _orders(dim: int, dtype: torch.dtype, device: torch.device) -> Orders:
    table = list(itertools.permutations(range(dim)))
    same = [[float(i == j) for j in range(len(table))] for i in range(len(table))]
    swap = {0: 1, 1: 0} if dim > 1 else {}
    swapped = [table.index(tuple([swap.get(k, k) for k in order])) for order in table]
    mean = [[(a + b) / 2 for a, b in zip(same[i], same[j], strict=True)] for i, j in enumerate(swapped)]
    rules = {
        GIVEN: [same[0] for _ in table],
        SORTED: same,
        SWAPPED: mean,
        ALL: [[1 / len(table) for _ in table] for _ in table],
    }
    places = [[float(order.index(k)) for order in table] for k in range(dim)]
    return Orders(
        torch.tensor(table, device=device),
        torch.tensor(places, dtype=dtype, device=device),
        torch.tensor([rules[rule] for rule in range(4)], dtype=dtype, device=device),
    )


def _cubic(dtype: torch.dtype, device: torch.device) -> Cubic:
    times = [float(_PLACES.count(place)) for place in range(10)]
    factors = [ijk[k] for k in range(3) for ijk in _KEPT]
    return Cubic(
        torch.tensor(times, dtype=dtype, device=device),
        torch.tensor(_PLACES, device=device),
        torch.tensor(factors, device=device),
    )


# Coefficients of polynomials, by components in the basis (u, v, a).
_TERMS = (
    {"uuu": 1},
    {"uuv": 3},
    {"uvv": 3},
    {"vvv": 1},
    {"uuv": 1, "vvv": 1, "vaa": 1},
    {"uuu": -1, "uvv": -1, "uaa": -1},
    {"uva": 1},
    {"vva": 1, "uua": -1},
)


def _polynomial(dtype: torch.dtype, device: torch.device) -> Polynomial:
    rows = [[*terms.items(), ("uuu", 0), ("uuu", 0)][:3] for terms in _TERMS]
    places = [[sum("uva".index(x) * 3**i for i, x in enumerate(row[k][0])) for row in rows] for k in range(3)]
    times = [[float(row[k][1]) for row in rows] for k in range(3)]
    return Polynomial(torch.tensor(places, device=device), torch.tensor(times, dtype=dtype, device=device))


def _numbers(device: torch.device) -> Tensor:
    return torch.tensor(
        [{GIVEN: 1, SORTED: 1, SWAPPED: 4, ALL: 24}[rule] for rule in range(4)], device=device
    )


def _rotations(dim: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    found: list[tuple[tuple[int, bool, bool], list[list[float]]]] = []
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1.0, -1.0), repeat=3):
            swaps = sum(order[i] > order[j] for i in range(3) for j in range(i + 1, 3))
            if signs[0] * signs[1] * signs[2] == (-1) ** swaps:
                rows = [[signs[i] * (order[i] == j) for j in range(3)] for i in range(3)]
                is_identity = order == (0, 1, 2) and signs == (1.0, 1.0, 1.0)
                level, is_diagonal = (1, -1, 0).index(int(rows[2][2])), order == (0, 1, 2)
                found.append(((level, not is_identity, not is_diagonal), rows))
    rotations = [rows for _, rows in sorted(found, key=lambda pair: pair[0])]
    table = torch.tensor(rotations, dtype=dtype, device=device)
    return table if dim == 3 else table[:4, :2, :2].contiguous()
