"""Markdown tables, line by line: rows are printed as soon as they are measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

__all__ = ["table"]


def table(header: Iterable[object], rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """Yield the lines of a table."""
    header = list(header)
    for cells in (header, ["---"] * len(header)):
        yield _line(cells)
    yield from map(_line, rows)


def _line(cells: Iterable[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"
