"""The grammar of atom lines: one pattern that parses whole blocks and finds the bad line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache

import numpy as np

from fa_pyg.io.elements import ATOMIC_NUMBER

__all__ = [
    "atom_style",
    "fields",
    "floats",
    "integers",
    "is_atom",
    "looks_like_atom",
    "parse_atoms",
    "parse_columns",
    "show",
    "what_is_wrong",
]

# Fortran writes 1.0D-5, Mathematica 1.0*^-5; nan and inf are not numbers here. Alternatives start with
# different characters and cannot match a space, so that matching takes linear time.
NUMBER = rb"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:(?:[eEdD]|\*\^)[+-]?\d+)?"
_FIELD = rb"[ \t]+(" + NUMBER + rb")"
ATOM = re.compile(rb"^[ \t]*([^ \t\n]+)" + 3 * _FIELD + rb"(?:[ \t]+([^ \t\n].*)|[ \t]*)$", re.MULTILINE)
COUNT = re.compile(rb"[ \t]*(\d{1,18})[ \t]*")
NUMBER_TEXT = re.compile(NUMBER)
_WHOLE = re.compile(rb"[+-]?\d{1,19}")
fields = re.compile(rb"[^ \t\n]+").findall
NOT_FINITE = re.compile(rb"[+-]?(?:nan|inf|infinity)", re.IGNORECASE)


def floats(tokens: Sequence[bytes]) -> list[float]:
    """Convert tokens that match ``NUMBER``."""
    try:
        return list(map(float, tokens))
    except ValueError:  # exponents of Fortran or Mathematica
        return [float(t.replace(b"*^", b"e").replace(b"D", b"e").replace(b"d", b"e")) for t in tokens]


def integers(tokens: Sequence[bytes]) -> np.ndarray | None:
    """Convert tokens to int64, or return None where a token is not such an integer."""
    if not all(map(_WHOLE.fullmatch, tokens)):
        return None
    values = list(map(int, tokens))
    return np.array(values, np.int64) if min(values) >= -(2**63) and max(values) < 2**63 else None


def parse_atoms(rows: Sequence[bytes], limit: float) -> tuple[np.ndarray, np.ndarray, Sequence[bytes]] | None:
    """Return atomic numbers ``[N]``, positions ``[N, 3]`` (float64), and the rests of the rows.

    None is returned if a row is bad.

    A match cannot cross a line end, so a row matches once or not at all: as many matches as rows means that
    every row is an atom line. ``limit`` is the largest number of the precision in use.
    """
    found = ATOM.findall(b"\n".join(rows))
    if len(found) != len(rows):
        return None
    symbol, x, y, z, rest = zip(*found, strict=True)
    numbers = [ATOMIC_NUMBER.get(s, 0) for s in symbol]
    pos = np.array(floats(x + y + z)).reshape(3, -1).T
    if 0 in numbers or not (np.abs(pos) <= limit).all():
        return None
    return np.array(numbers), pos, rest


def is_atom(row: bytes) -> bool:
    """Return whether a row starts with an element and three numbers."""
    match = ATOM.match(row)
    return match is not None and match[1] in ATOMIC_NUMBER


def looks_like_atom(row: bytes) -> bool:
    """Return whether a row may be meant as an atom line: it has an element or three numbers."""
    found = fields(row)
    return len(found) >= 4 and (found[0] in ATOMIC_NUMBER or ATOM.match(row) is not None)


def atom_style(row: bytes) -> tuple[bool, int]:
    """Return what all atom lines of a block have in common: number or symbol, and the number of columns."""
    found = fields(row)
    return found[0].isdigit(), len(found)


def what_is_wrong(row: bytes, limit: float) -> str | None:
    """Return what a row that ``parse_atoms`` refuses was expected to be; None for a good row."""
    if parse_atoms([row], limit) is not None:
        return None
    found = fields(row)
    if len(found) < 4:
        return "'element x y z'"
    if found[0] not in ATOMIC_NUMBER:
        return f"an element symbol or an atomic number from 1 to 118 in place of {show(found[0])}"
    bad = next((f for f in found[1:4] if not NUMBER_TEXT.fullmatch(f)), None)
    if bad is None or NOT_FINITE.fullmatch(bad):
        return f"finite coordinates (at most {limit:.3g} in size)"
    return f"a number in place of {show(bad)}"


@cache
def _leading(width: int) -> re.Pattern:
    return re.compile(rb"[ \t]+".join([rb"(" + NUMBER + rb")"] * width) + rb"(?:[ \t]|$)")


def parse_columns(rests: Iterable[bytes], width: int, limit: float) -> np.ndarray | int:
    """Return the first ``width`` numbers of each rest, ``[N, width]``, or the index of the first bad rest."""
    values = []
    for i, rest in enumerate(rests):
        match = _leading(width).match(rest)
        row = floats(match.groups()) if match else [np.inf]
        if not max(map(abs, row)) <= limit:
            return i
        values.append(row)
    return np.array(values)


def show(text: bytes, width: int = 60) -> str:
    """Return a printable form of a piece of a file, shortened to ``width`` characters."""
    words = ascii(text.decode("latin-1").strip(" \t"))
    return words if len(words) <= width else words[: width - 4] + "...'"
