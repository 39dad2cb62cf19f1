"""Columns of extended XYZ: parse ``Properties``, and the atom lines that it describes."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fa_pyg.io.elements import ATOMIC_NUMBER, SYMBOLS
from fa_pyg.io.xyz.grammar import NUMBER_TEXT, fields, floats, integers, show
from fa_pyg.io.xyz.header import MOST, HeaderError

__all__ = ["Column", "parse_properties", "read_columns", "what_is_wrong"]

_FLAGS: dict[bytes, bool] = dict.fromkeys((b"T", b"t", b"True", b"TRUE", b"true", b"1"), True)
_FLAGS |= dict.fromkeys((b"F", b"f", b"False", b"FALSE", b"false", b"0"), False)
_WANTED = {"R": "a finite number", "I": "an integer", "L": "T or F", "S": "a word"}
_ELEMENTS = {("species", "S", 1): "symbol", ("Z", "I", 1): "number"}  # further kinds
_WANTED |= dict.fromkeys(_ELEMENTS.values(), "a known element")
_DEFAULT = "species:S:1:pos:R:3"

Values = np.ndarray | list


class Column(NamedTuple):
    """A column of ``kind`` R (real), I (integer), L (flag), S (word), or an element: symbol or number."""

    name: str
    kind: str
    width: int


def parse_properties(properties: str | None) -> list[Column]:
    """Return the columns of a comment line, among them the position and the element.

    Raises:
        HeaderError: where they cannot be parsed.
    """
    parts = (properties or _DEFAULT).split(":")
    if len(parts) % 3:
        raise HeaderError("Properties=name:type:width:...")
    columns = [_column(*parts[i : i + 3]) for i in range(0, len(parts), 3)]
    names = [column.name for column in columns]
    if len(columns) > MOST or len(set(names)) < len(names):
        raise HeaderError(f"Properties with at most {MOST} different names")
    if ("pos", "R", 3) not in columns or not {column.kind for column in columns} & {"symbol", "number"}:
        raise HeaderError("Properties with pos:R:3 and species:S:1 or Z:I:1")
    return columns


def _column(name: str, kind: str, width: str) -> Column:
    kind, found = kind.upper(), show(f"{name}:{kind}:{width}".encode())
    if not name or kind not in ("R", "I", "L", "S") or not re.fullmatch(r"[1-9]\d{0,17}", width, re.ASCII):
        raise HeaderError(f"Properties with a name, R, I, L or S, and a width in place of {found}")
    name = name.lower() if name.lower() in ("species", "pos") else name
    return Column(name, _ELEMENTS.get((name, kind, int(width)), kind), int(width))


def read_columns(columns: Sequence[Column], rows: Sequence[bytes], limit: float) -> dict[str, Values] | int:
    """Return arrays ``[N]`` or ``[N, width]`` and lists of words, or the index of the first bad row."""
    split = [fields(row) for row in rows]
    if (found := _read(columns, split, limit)) is not None:
        return found
    return bisect_left(
        range(len(rows) - 1), True, key=lambda i: _read(columns, split[: i + 1], limit) is None
    )


def _read(columns: Sequence[Column], rows: list[list[bytes]], limit: float) -> dict[str, Values] | None:
    if min(map(len, rows)) < sum(column.width for column in columns):
        return None
    across, found, at = list(zip(*rows, strict=False)), {}, 0
    for name, kind, width in columns:
        parts = [_parse(kind, tokens, limit) for tokens in across[at : at + width]]
        known = [part for part in parts if part is not None]
        if len(known) < len(parts):
            return None
        found[name] = known[0] if width == 1 else _stack(known)
        at += width
    return found if _agree(columns, found) else None


def _stack(parts: list[Values]) -> Values:
    is_array = isinstance(parts[0], np.ndarray)
    return np.stack(parts, axis=1) if is_array else list(map(list, zip(*parts, strict=True)))


def _parse(kind: str, tokens: Sequence[bytes], limit: float) -> Values | None:
    if kind == "symbol":
        numbers = [ATOMIC_NUMBER.get(token, 0) for token in tokens]
        return np.array(numbers) if all(numbers) else None
    if kind == "S":
        return [token.decode(errors="replace") for token in tokens]
    if kind == "L":
        return np.array([_FLAGS[token] for token in tokens]) if all(t in _FLAGS for t in tokens) else None
    if kind == "R":
        array = np.array(floats(tokens)) if all(map(NUMBER_TEXT.fullmatch, tokens)) else np.array(np.inf)
        return array if (np.abs(array) <= limit).all() else None
    numbers = integers(tokens)
    if numbers is None or kind == "I":
        return numbers
    return numbers if ((numbers > 0) & (numbers < len(SYMBOLS))).all() else None


def _agree(columns: Sequence[Column], found: dict[str, Values]) -> bool:
    """Return whether symbols and atomic numbers agree."""
    elements = [found[column.name] for column in columns if column.kind in ("symbol", "number")]
    return bool(np.all(elements[0] == elements[-1]))


def what_is_wrong(columns: Sequence[Column], row: bytes, limit: float) -> str:
    """Return what a row that ``read_columns`` refuses was expected to be."""
    tokens, at = fields(row), 0
    if len(tokens) < (total := sum(column.width for column in columns)):
        return f"an atom line of {total} columns as the comment's Properties describe it"
    for name, kind, width in columns:
        for token in tokens[at : at + width]:
            if _parse(kind, [token], limit) is None:
                size = f" (at most {limit:.3g} in size)" if kind == "R" else ""
                return f"{_WANTED[kind]}{size} for {name} in place of {show(token)}"
        at += width
    return "the same element in species and Z"
