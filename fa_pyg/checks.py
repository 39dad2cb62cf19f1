"""Check of arguments in one grammar, ``name: expected E, found F``. No torch needed."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from numbers import Integral, Real
from typing import Any, Literal, NoReturn, TypeGuard, TypeVar, overload

__all__ = [
    "flag",
    "from_extra",
    "function",
    "instance",
    "integer",
    "is_integer",
    "is_number",
    "number",
    "one_of",
    "refuse",
    "shown",
    "size",
    "some_of",
]

T = TypeVar("T")
MANY = 2**31 - 1  # largest count
MOST = 2**63 - 1  # largest int64
WIDE = 2**20  # largest width of a layer: a square matrix of this size fits no machine
DEEP = 2**10  # largest number of modules

_WRITTEN = (bool, int, float, complex, str, bytes, tuple, list, dict, set, frozenset, type, type(None))

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 90  # room for a path


def shown(value: Any) -> str:
    """Return a value as errors show it: short and on one line, else only its class."""
    try:
        text = _SHORT.repr(value) if isinstance(value, _WRITTEN) else repr(value)
    except Exception:  # a huge integer, or an error in the repr of a class
        text = ""
    is_short = 0 < len(text) <= 120 and "\n" not in text and " at 0x" not in text
    return text if is_short else f"a {type(value).__name__}"


def refuse(name: str, expected: str, value: Any, hint: str = "") -> NoReturn:
    """Raise ValueError: ``name: expected E, found F``, followed by a hint."""
    raise ValueError(f"{name}: expected {expected}, found {shown(value)}{hint}")


@overload
def integer(
    name: str,
    value: Any,
    least: int = 1,
    most: int = MANY,
    *,
    optional: Literal[False] = False,
    hint: str = "",
) -> int: ...
@overload
def integer(
    name: str, value: Any, least: int = 1, most: int = MANY, *, optional: bool, hint: str = ""
) -> int | None: ...


def integer(
    name: str, value: Any, least: int = 1, most: int = MANY, *, optional: bool = False, hint: str = ""
) -> int | None:
    """Return an integer from ``least`` to ``most`` (not a bool), or None if ``optional``.

    Raises:
        ValueError: naming the argument, for anything else.
    """
    if value is None and optional:
        return None
    if is_integer(value, least, most):
        return int(value)
    expected = "a positive integer" if least == 1 else f"an integer >= {least}"
    if is_integer(value, most + 1):
        expected = f"an integer from {least} to {most}"
    refuse(name, expected + " or None" * optional, value, hint)


def is_integer(value: Any, least: float = -math.inf, most: float = math.inf) -> TypeGuard[int]:
    """Whether this is an integer in a range, and not a bool."""
    return isinstance(value, Integral) and not isinstance(value, bool) and least <= int(value) <= most


@overload
def size(
    name: str, value: Any, least: int = 1, most: int = WIDE, *, optional: Literal[False] = False
) -> int: ...
@overload
def size(name: str, value: Any, least: int = 1, most: int = WIDE, *, optional: bool) -> int | None: ...


def size(name: str, value: Any, least: int = 1, most: int = WIDE, *, optional: bool = False) -> int | None:
    """Return the width or size of a part of a network: an integer up to 2^20."""
    return integer(name, value, least, most, optional=optional)


@overload
def number(
    name: str,
    value: Any,
    least: float = -math.inf,
    most: float = math.inf,
    *,
    above: float = -math.inf,
    below: float = math.inf,
    optional: Literal[False] = False,
) -> float: ...
@overload
def number(
    name: str,
    value: Any,
    least: float = -math.inf,
    most: float = math.inf,
    *,
    above: float = -math.inf,
    below: float = math.inf,
    optional: bool,
) -> float | None: ...


def number(
    name: str,
    value: Any,
    least: float = -math.inf,
    most: float = math.inf,
    *,
    above: float = -math.inf,
    below: float = math.inf,
    optional: bool = False,
) -> float | None:
    """Return a finite real number with ``least <= value <= most`` and ``above < value < below``.

    Raises:
        ValueError: naming the argument, for anything else; True and False are not numbers.
    """
    if value is None and optional:
        return None
    if is_number(value) and least <= value <= most and above < value < below:
        return value
    refuse(name, _range(least, most, above, below) + " or None" * optional, value)


def is_number(value: Any) -> TypeGuard[float]:
    """Whether this is a real number, finite as a float, and not a bool."""
    try:  # torch.compile does not trace math.isfinite
        return isinstance(value, Real) and not isinstance(value, bool) and abs(float(value)) < math.inf
    except OverflowError:  # an integer beyond the largest float
        return False


def _range(least: float, most: float, above: float, below: float) -> str:
    low, high = max(least, above), min(most, below)
    if math.isinf(low) and math.isinf(high):
        return "a finite number"
    if math.isinf(high):
        return "a positive number" if above == 0 else f"a number {'>' if above == low else '>='} {low:g}"
    if math.isinf(low):
        return f"a number {'<' if below == high else '<='} {high:g}"
    return (
        f"a number {'between' if above == low else 'from'} {low:g} {'and' if above == low else 'to'} {high:g}"
    )


@overload
def flag(name: str, value: Any, *, optional: Literal[False] = False) -> bool: ...
@overload
def flag(name: str, value: Any, *, optional: bool) -> bool | None: ...


def flag(name: str, value: Any, *, optional: bool = False) -> bool | None:
    """Return True or False, or None if ``optional``; refuse 0, 1 and "no"."""
    if isinstance(value, bool) or (value is None and optional):
        return value
    refuse(name, "True or False" if not optional else "True, False or None", value)


def one_of(name: str, value: Any, options: Iterable[Any], *, optional: bool = False) -> Any:
    """Return a string that is one of the options, or None if ``optional``."""
    options = list(options)
    if (value is None and optional) or (isinstance(value, str) and value in options):
        return value
    *others, last = [f'"{option}"' for option in options] + ["None"] * optional
    refuse(name, f"{', '.join(others)} or {last}" if others else last, value)


def some_of(name: str, value: Any, options: Iterable[Any]) -> list[Any] | None:
    """Return some of the options as a list, None for None."""
    if value is None:
        return None
    options = list(options)
    listed = value if isinstance(value, Iterable) and not isinstance(value, str) else [value]
    for item in listed:
        if item not in options:
            refuse(name, f"some of {', '.join(map(str, options))}", item)
    return list(listed)


@overload
def instance(
    name: str, value: Any, kind: type[T], expected: str, *, optional: Literal[False] = False
) -> T: ...
@overload
def instance(name: str, value: Any, kind: type[T], expected: str, *, optional: bool) -> T | None: ...
@overload
def instance(
    name: str, value: Any, kind: tuple[type, ...] | Any, expected: str, *, optional: bool = False
) -> Any: ...


def instance(
    name: str, value: Any, kind: type | tuple[type, ...], expected: str, *, optional: bool = False
) -> Any:
    """Return an instance of a class, described by ``expected``, or None if ``optional``."""
    if isinstance(value, kind) or (value is None and optional):
        return value
    refuse(name, expected + " or None" * optional, value)


def function(name: str, value: Any, *, optional: bool = False, expected: str = "a callable") -> Any:
    """Return a callable, or None if ``optional``."""
    if callable(value) or (value is None and optional):
        return value
    refuse(name, expected + " or None" * optional, value)


@contextmanager
def from_extra(user: str, extra: str) -> Iterator[None]:
    """Import packages of an extra inside this context.

    Args:
        user: what needs them, which the error names.
        extra: of fa_pyg, with which they are installed.

    Raises:
        ImportError: naming the package that is not installed, and the extra.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] == "fa_pyg":  # a fault, not a missing extra
            raise
        hint = f"install it with pip install 'fa_pyg[{extra}]'"
        raise ImportError(f"{user}: expected {error.name}, found none; {hint}", name=error.name) from error
