"""Markdown tables, line by line: rows are printed as soon as they are measured."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

__all__ = ["show", "table"]


def table(header: Iterable[object], rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """Yield the lines of a table."""
    header = list(header)
    for cells in (header, ["---"] * len(header)):
        yield _line(cells)
    yield from map(_line, rows)


def _line(cells: Iterable[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def show(lines: Iterator[str], mark: str, page: Path | None) -> None:
    """Print a table, line by line, and replace the one between these marks of a page."""
    shown = []
    for line in lines:
        print(line, flush=True)
        shown.append(line)
    if page:
        before, _, after = page.read_text().split(mark)
        page.write_text(f"{before}{mark}\n" + "\n".join(shown) + f"\n{mark}{after}")
