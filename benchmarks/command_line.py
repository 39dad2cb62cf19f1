"""Options of benchmarks, checked before anything is measured: the ``type=`` of arguments of argparse."""

from __future__ import annotations

import math
from argparse import ArgumentTypeError
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import TypeVar

import ratio_file

from fa_pyg.checks import MANY
from fa_pyg.files import check_target
from fa_pyg.options import close

__all__ = [
    "matching",
    "named",
    "natural",
    "natural_int",
    "positive",
    "positive_int",
    "ratio_target",
    "writable",
]

T = TypeVar("T", int, float)


def positive_int(text: str) -> int:
    """A positive integer."""
    return _number(text, int, lambda value: 1 <= value <= MANY, "a positive integer")


def natural_int(text: str) -> int:
    """An integer from 0 on."""
    return _number(text, int, lambda value: 0 <= value <= MANY, "an integer >= 0")


def positive(text: str) -> float:
    """A positive, finite number."""
    return _number(text, float, lambda value: 0 < value < math.inf, "a positive number")


def natural(text: str) -> float:
    """A finite number from 0 on."""
    return _number(text, float, lambda value: 0 <= value < math.inf, "a number >= 0")


def _number(text: str, kind: Callable[[str], T], fits: Callable[[T], bool], expected: str) -> T:
    try:
        value = kind(text)
    except ValueError:
        value = None
    if value is None or not fits(value):
        raise ArgumentTypeError(f"expected {expected}, found {text!r}")
    return value


def named(known: Collection[str]) -> Callable[[str], str]:
    """Return a check of a part of a name, which at least one known name has."""

    def check(text: str) -> str:
        if not matching(known, [text]):
            hint = close(text, known)
            raise ArgumentTypeError(f"expected a part of {'; '.join(known)}; found {text!r}{hint}")
        return text

    return check


def matching(known: Iterable[str], parts: Collection[str]) -> list[str]:
    """Return the names that have one of the parts."""
    return [name for name in known if any(part in name for part in parts)]


def writable(text: str) -> Path:
    """A file that can be written."""
    try:
        check_target(text)
    except (OSError, ValueError) as error:
        raise ArgumentTypeError(str(error)) from error
    return Path(text)


def ratio_target(text: str) -> Path:
    """A file of ratios, to which :func:`timing.record` can add."""
    path = writable(text)
    try:
        ratio_file.read_if_there(path)
    except (OSError, ValueError) as error:
        raise ArgumentTypeError(str(error)) from error
    return path
