"""Types that static checkers do not find: of functions of torch without types, and of computed attributes."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

__all__ = [
    "cached",
    "computed",
    "cross",
    "det",
    "eigh",
    "integers",
    "matrix_power",
    "norm",
    "numbers",
    "qr",
    "unique",
]

T = TypeVar("T")

# The functions themselves: torch builds them at run time, so that a checker sees no signature.
cross: Callable[..., Tensor] = torch.linalg.cross
det: Callable[[Tensor], Tensor] = torch.linalg.det
eigh: Callable[[Tensor], tuple[Tensor, Tensor]] = torch.linalg.eigh
matrix_power: Callable[[Tensor, int], Tensor] = torch.linalg.matrix_power
norm: Callable[..., Tensor] = Tensor.norm
qr: Callable[[Tensor], tuple[Tensor, Tensor]] = torch.linalg.qr
unique: Callable[..., Tensor] = torch.unique  # without inverse and counts


def integers(x: Tensor) -> list[int]:
    """Return the entries of a vector of integers as a list (a device sync)."""
    return x.tolist()


def numbers(x: Tensor) -> list[float]:
    """Return the entries of a vector as a list (a device sync)."""
    return x.tolist()


def computed(get: Callable[[Any], T]) -> T:
    """A property that implements (or may be overridden by) an attribute, whose type it is declared to have.

    Static types know no attribute that one class stores and another computes; :func:`dataclasses.field` is
    declared in the same way.
    """
    return cast("T", property(get))


def cached(get: Callable[[Any], T]) -> T:
    """As :func:`computed`, computed once (:class:`functools.cached_property`)."""
    return cast("T", cached_property(get))
