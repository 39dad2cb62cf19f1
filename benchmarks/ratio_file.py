"""Files of ratios: a JSON list of objects with the keys ``benchmark``, ``size``, ``row`` and ``ratio``.

A ratio is a positive number, or null where the yardstick was not measured.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fa_pyg.checks import is_number, shown
from fa_pyg.options import printable

__all__ = ["Key", "key", "read", "read_if_there"]

Key = tuple[str, str, str]
NAMES = ("benchmark", "size", "row")


def read(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a file.

    Raises:
        ValueError: naming the file and the row, for anything that is not a file of ratios, and for two rows
            of the same name.
    """
    try:
        rows = json.loads(path.read_bytes())
    except OSError as error:
        raise _refused(path, f"a file of ratios, found none ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise _refused(path, f"JSON, found something else ({error})") from error
    if not isinstance(rows, list):
        raise _refused(path, f"a list of rows, found a {type(rows).__name__}")
    seen: set[Key] = set()
    for number, row in enumerate(rows, 1):
        if wrong := _wrong(row, seen):
            raise _refused(path, f"{wrong} in {_place(row, number)}")
        seen.add(key(row))
    return rows


def read_if_there(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a file, none where there is no file."""
    return read(path) if path.exists() else []


def key(row: dict[str, Any]) -> Key:
    """The name of a row."""
    return row["benchmark"], row["size"], row["row"]


def _wrong(row: Any, seen: set[Key]) -> str | None:
    """What was expected of a row and what was found; None where it is right."""
    if not isinstance(row, dict):
        return f"an object with {', '.join(NAMES)} and ratio, found {shown(row)}"
    for name in NAMES:
        if not isinstance(row.get(name), str):
            return f"a text as {name}, found {shown(row[name]) if name in row else 'none'}"
    if "ratio" not in row:
        return "a ratio, found none"
    ratio = row["ratio"]
    if ratio is not None and not (is_number(ratio) and ratio > 0):
        return f"a positive number or null as ratio, found {shown(ratio)}"
    return "every name once, found a second one" if key(row) in seen else None


def _place(row: Any, number: int) -> str:
    names = [row[name] for name in NAMES if isinstance(row.get(name), str)] if isinstance(row, dict) else []
    return f"row {number}" + f" ({' / '.join(names)})" * bool(names)


def _refused(path: Path, text: str) -> ValueError:
    return ValueError(printable(f"{path}: expected {text}"))
