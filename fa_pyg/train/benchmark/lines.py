"""Finished runs as lines of a CSV file: written, read and checked."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import Field, astuple, fields
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

__all__ = ["DIGEST", "NAME", "HasKey", "Lines"]


class HasKey(Protocol):
    """A run: a dataclass, with a key that tells it from others."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def key(self) -> Any: ...


T = TypeVar("T", bound=HasKey)
NAME = re.compile(r"[A-Za-z0-9][\w.+-]*", re.ASCII)  # of a row
DIGEST = r"[0-9a-f]{8}"
PATTERNS = {  # of the cells of a column, by the type of its values
    "int": r"[0-9]{1,15}",
    "float": r"[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?|nan|inf",  # nan and inf: a run that diverged
}


class Lines(Generic[T]):
    """Format of a CSV file with a run in each line.

    Args:
        kind: dataclass of a run, with a property ``key``: two runs with the same key are the same.
        patterns: of the cells of a column, by its name; those of text need one.
        check: raises ValueError for values that no run can have.
    """

    def __init__(self, kind: type[T], patterns: Mapping[str, str], check: Callable[[T], None]) -> None:
        self.kind, self.patterns, self.check, self.fields = kind, patterns, check, fields(kind)
        self.columns = [field.name for field in self.fields]

    def text(self, runs: Iterable[T]) -> str:
        """Return the content of a CSV file.

        Raises:
            ValueError: for a run whose line :meth:`read` would refuse.
        """
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        for run in runs:
            cells = [str(value) for value in astuple(run)]
            self._parsed(cells)
            writer.writerow(cells)
        return text.getvalue()

    def read(self, path: Path) -> list[T]:
        """Return the runs of a CSV file in its order; none without a file.

        Of several lines of the same run, the last counts: it is the newest.

        Raises:
            ValueError: naming file and line, for a line that is not one of a run, or that no run can have.
        """
        try:
            lines = csv.reader(io.StringIO(path.read_text(encoding="utf-8")), strict=True)
        except FileNotFoundError:
            return []
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"{path}: expected a table of runs, found another file ({error})") from error
        runs: dict[tuple, T] = {}
        try:
            self._check_head(next(lines, []))
            for run in (self._parsed(cells) for cells in lines if cells):
                runs.pop(run.key, None)  # to the end
                runs[run.key] = run
        except (ValueError, csv.Error) as error:
            line = max(1, lines.line_num)
            raise ValueError(f"{path}, line {line}: expected a run, found another line ({error})") from error
        return list(runs.values())

    def _check_head(self, cells: list[str]) -> None:
        if cells != self.columns:
            found = ",".join(cells)[:200]
            raise ValueError(f"columns: expected {','.join(self.columns)}, found {found!r}")

    def _parsed(self, cells: list[str]) -> T:
        if len(cells) != len(self.columns):
            raise ValueError(f"columns: expected {len(self.columns)}, found {len(cells)}")
        run = self.kind(*map(self._value, self.fields, cells))
        self.check(run)
        return run

    def _value(self, field: Field, cell: str) -> Any:
        kind = str(field.type)
        if not re.fullmatch(self.patterns.get(field.name) or PATTERNS[kind], cell, re.ASCII):
            expected = {"int": "a whole number", "float": "a number >= 0", "str": "a plain name"}[kind]
            raise ValueError(f"{field.name}: expected {expected}, found {cell[:60]!r}")
        return {"int": int, "float": float, "str": str}[kind](cell)
