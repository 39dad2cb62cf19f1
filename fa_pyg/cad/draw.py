"""Random but reproducible parameters of parts."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

__all__ = ["Draw", "NoMoreParts"]

T = TypeVar("T")


class NoMoreParts(IndexError):
    """The end of a family that has finitely many parts."""


class Draw:
    """The random choices of part ``index`` of a family: always the same, and kept in ``parameters``.

    Args:
        family: the name of the family.
        index: the number of the part in it.
    """

    def __init__(self, family: str, index: int) -> None:
        self.family, self.index = family, index
        self.parameters: dict[str, Any] = {}
        # Its stream is the same in all versions of NumPy.
        self.rng = np.random.RandomState([zlib.crc32(family.encode()), index])

    def real(self, name: str, low: float, high: float) -> float:
        """Draw a number with three decimals, uniform in a range."""
        return self._keep(name, round(float(self.rng.uniform(low, high)), 3))

    def reals(self, name: str, count: int, low: float, high: float) -> list[float]:
        """Draw several numbers as :meth:`real`."""
        return self._keep(name, [round(float(value), 3) for value in self.rng.uniform(low, high, count)])

    def whole(self, name: str, low: int, high: int) -> int:
        """Draw an integer from ``low`` to ``high``."""
        return self._keep(name, int(self.rng.randint(low, high + 1)))

    def choice(self, name: str, options: Sequence[T]) -> T:
        """Draw one of some options."""
        return self._keep(name, options[self.rng.randint(len(options))])

    def flag(self, name: str) -> bool:
        """Draw True or False."""
        return self._keep(name, bool(self.rng.randint(2)))

    def case(self, cases: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Return case ``index`` of a finite list, in a random order that depends on the family alone.

        Raises:
            IndexError: behind the last case.
        """
        if self.index >= len(cases):
            raise NoMoreParts(f"{self.family}: expected an index below {len(cases)}, found {self.index}")
        order = np.random.RandomState(zlib.crc32(self.family.encode())).permutation(len(cases))
        case = cases[order[self.index]]
        self.parameters.update(case)
        return case

    def _keep(self, name: str, value: T) -> T:
        self.parameters[name] = value
        return value
