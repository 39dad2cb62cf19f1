"""Forward times of the n-body benchmark in a JSON file."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from fa_pyg import checks
from fa_pyg.train.results import read_result

__all__ = ["read_times"]


def read_times(path: Path) -> dict[str, Any]:
    """Return the forward times of a file; none without a file, or with a warning if it is damaged.

    Returns:
        ``rounds``, and by the number of ``particles`` and row: milliseconds, and the ratio to EGNN's or None.
    """
    found = read_result(path)
    if found is None or _is_whole(found):
        return found or {}
    warnings.warn(
        f"{path}: expected forward times as they were written, found others; they are measured again",
        stacklevel=2,
    )
    return {}


def _is_whole(found: dict) -> bool:
    kinds = found.get("particles")
    return (
        checks.is_integer(found.get("rounds"), 1)
        and isinstance(kinds, dict)
        and all(isinstance(rows, dict) for rows in kinds.values())
        and all(_is_time(one) for rows in kinds.values() for one in rows.values())
    )


def _is_time(found: Any) -> bool:
    """Whether these are milliseconds and a ratio or None."""
    if not isinstance(found, list) or len(found) != 2 or found[0] is None:
        return False
    return all(checks.is_number(one) and one >= 0 for one in found if one is not None)
