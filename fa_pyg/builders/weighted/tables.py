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
    "SORTED",
    "SWAPPED",
    "Orders",
    "cube_rotations",
    "numbers_of_rotations",
    "orders",
]

# Rules for the weights of the orders of a frame's axes: the given order alone; softly, by the spread along
# each axis; the same, averaged over the exchange of the first two, for lines; all equally, for points. In
# chosen signs, frames of the last two are averaged over rotations instead: quarter turns, those of a cube.
GIVEN, SORTED, SWAPPED, ALL = range(4)


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


def orders(dim: int, like: Tensor) -> Orders:
    """Return the tables of orders, with the type and the device of a tensor."""
    return _constant(_orders, dim, like.dtype, like.device)


def numbers_of_rotations(rule: Tensor) -> Tensor:
    """Return the number of rotations that frames in chosen signs are averaged over, by their rules."""
    return _constant(_numbers, rule.device).index_select(0, rule.flatten()).view_as(rule)


def cube_rotations(dim: int, like: Tensor) -> Tensor:
    """Return the rotations of a cube: the identity, the others about the last axis, the rest.

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


def _numbers(device: torch.device) -> Tensor:
    return torch.tensor(
        [{GIVEN: 1, SORTED: 1, SWAPPED: 4, ALL: 24}[rule] for rule in range(4)], device=device
    )


def _rotations(dim: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    found: list[tuple[tuple[bool, bool], list[list[float]]]] = []
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1.0, -1.0), repeat=3):
            swaps = sum(order[i] > order[j] for i in range(3) for j in range(i + 1, 3))
            if signs[0] * signs[1] * signs[2] == (-1) ** swaps:
                rows = [[signs[i] * (order[i] == j) for j in range(3)] for i in range(3)]
                is_identity = order == (0, 1, 2) and signs == (1.0, 1.0, 1.0)
                found.append(((rows[2][2] != 1, not is_identity), rows))
    rotations = [rows for _, rows in sorted(found, key=lambda pair: pair[0])]
    table = torch.tensor(rotations, dtype=dtype, device=device)
    return table if dim == 3 else table[:4, :2, :2].contiguous()
