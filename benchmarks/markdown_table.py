"""Markdown tables, line by line: rows are printed as soon as they are measured."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from fa_pyg.files import check_target, write_atomically

__all__ = ["page_with", "show", "table"]


def table(header: Iterable[object], rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """Yield the lines of a table."""
    header = list(header)
    for cells in (header, ["---"] * len(header)):
        yield _line(cells)
    yield from map(_line, rows)


def _line(cells: Iterable[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def show(lines: Iterator[str], mark: str, page: Path | None) -> None:
    """Print a table, line by line, and replace the one between these marks of a page.

    Raises:
        ValueError: for a page without the marks, and for a table without rows. The page is left as it is.
    """
    shown = []
    for line in lines:
        print(line, flush=True)
        shown.append(line)
    if page is None:
        return
    before, after = _around(page, mark)
    if len(shown) < 3:
        raise ValueError(f"{page}: expected a table with rows between {mark}, found none")
    write_atomically(page, f"{before}{mark}\n" + "\n".join(shown) + f"\n{mark}{after}")


def page_with(mark: str) -> Callable[[str], Path]:
    """Return a check of the option ``--write``, before anything is measured: a page with both marks."""

    def check(text: str) -> Path:
        try:
            check_target(text)
            _around(Path(text), mark)
        except (OSError, ValueError) as error:
            raise ArgumentTypeError(str(error)) from error
        return Path(text)

    return check


def _around(page: Path, mark: str) -> tuple[str, str]:
    """Return the text before and after a table."""
    parts = page.read_text(encoding="utf-8").split(mark)
    if len(parts) != 3:
        raise ValueError(f"{page}: expected {mark} before and after a table, found it {len(parts) - 1} times")
    return parts[0], parts[2]
