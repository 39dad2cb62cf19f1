"""CSV tables with numbers and words for every structure, by the name of its file or by its position."""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fa_pyg.io.xyz.attribute_names import is_free
from fa_pyg.io.xyz.errors import XYZError
from fa_pyg.io.xyz.grammar import NUMBER_TEXT, floats, show
from fa_pyg.io.xyz.table_rows import Key, TableRows, describe_key

__all__ = ["Table"]


@dataclass(frozen=True)
class Table:
    """A CSV table with a line of column names, then a row for every structure.

    A row belongs to a structure by the column ``file``, ``index``, or both: the name of the file (with or
    without its ending, or relative to the folder of the table) and the position of the structure in that
    file; without ``file``, the position among all structures; without ``index``, the only structure of the
    file. Positions start from 0.

    Args:
        path: The CSV file, UTF-8.
        file, index: The names of these columns; at least one must exist.
        columns: A mapping from attributes to columns, ``{"energy": "E_dft"}``, or names that are both; None
            is all other columns. A number becomes ``[1]`` in float64.
        text: The attributes that are text.
        delimiter: The separator of cells.

    Raises:
        ValueError: when a data set reads it, naming the line: for a row without a structure, a second row of
            a structure, a wrong number of cells, or a cell that is not a finite number; and, naming file and
            line of the structure, for a structure without a row.
    """

    path: str | os.PathLike
    file: str = "file"
    index: str = "index"
    columns: Mapping[str, str] | Iterable[str] | None = None
    text: Sequence[str] = ()
    delimiter: str = ","

    @classmethod
    def of(cls, table: Table | str | os.PathLike) -> Table:
        """Return a table as it is, or the table of a path."""
        return table if isinstance(table, Table) else cls(table)

    def read(self) -> TableRows:
        """Read and check the rows of the file."""
        lines = self._lines()
        line, head = next(lines, (1, []))
        columns = self._columns(line, head)
        keys, numbers, words, where = {}, [], [], []
        for line, cells in lines:
            if len(cells) != len(head):
                raise self._error(line, f"{len(cells)} cells", f"{len(head)}, as in the first line")
            row = dict(zip(head, cells, strict=True))
            key = self._key(line, row)
            if key in keys:
                raise self._error(
                    line, describe_key(key), f"one row of it (line {where[keys[key]]} is another)"
                )
            keys[key] = len(keys)
            values = {name: row[column] for name, column in columns.items()}
            numbers.append(
                [self._number(line, name, v) for name, v in values.items() if name not in self.text]
            )
            words.append([values[name] for name in self.text])
            where.append(line)
        names = [name for name in columns if name not in self.text]
        table = np.array(numbers).reshape(len(keys), len(names))
        return TableRows(self.path, self.file, self.index, self.text, keys, where, names, table, words)

    def _lines(self) -> Iterator[tuple[int, list[str]]]:
        """Yield line number and cells of each line that is not blank."""
        rows = csv.reader(io.StringIO(self._content(), newline=""), delimiter=self.delimiter, strict=True)
        line = 1
        try:
            for cells in rows:
                if cells:
                    yield line, [cell.strip() for cell in cells]
                line = rows.line_num + 1
        except csv.Error as error:
            raise self._error(line, f"malformed CSV ({error})", "cells and delimiters") from error

    def _content(self) -> str:
        try:
            data = Path(self.path).read_bytes()
            return data.decode("utf-8-sig")
        except OSError as error:
            raise XYZError(
                str(self.path), None, f"an unreadable file ({error.strerror})", "a table"
            ) from error
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise self._error(line, f"other bytes ({error.reason})", "cells in UTF-8") from error

    def _columns(self, line: int, head: list[str]) -> dict[str, str]:
        """Return the column of each attribute."""
        if twice := [name for name, count in Counter(head).items() if count > 1]:
            raise self._error(line, f"{show(twice[0].encode())} twice", "different names")
        keys = {self.file, self.index}
        found = f"the columns {', '.join(head)[:60]!r}"
        if not keys & set(head):
            raise self._error(line, found, f"a column {self.file} or {self.index}")
        columns = self.columns if self.columns is not None else [name for name in head if name not in keys]
        columns = dict(columns) if isinstance(columns, Mapping) else {name: name for name in columns}
        for name, column in columns.items():
            if column not in head:
                raise self._error(line, found, f"a column {column}")
            if not is_free(name, of_atoms=False):
                raise self._error(line, f"the name {name!r}", "a name that is free (columns= gives others)")
        if missing := [name for name in self.text if name not in columns]:
            raise self._error(line, f"none for {missing[0]!r} of text=", "a column")
        return columns

    def _key(self, line: int, row: Mapping[str, str]) -> Key:
        file, index = row.get(self.file), row.get(self.index)
        if file == "":
            raise self._error(line, f"an empty cell for {self.file}", "the name of a file")
        if index is not None and not (index.isascii() and index.isdigit() and len(index) < 19):
            raise self._error(line, f"{show(index.encode())} for {self.index}", "an integer")
        return file and Path(file).as_posix(), None if index is None else int(index)

    def _number(self, line: int, name: str, cell: str) -> float:
        text = cell.encode()
        value = floats([text])[0] if NUMBER_TEXT.fullmatch(text) else np.nan
        if not np.isfinite(value):
            raise self._error(line, f"{show(text)} for {name}", "a finite number (text= names text columns)")
        return value

    def _error(self, line: int, found: str, expected: str) -> XYZError:
        return XYZError(str(self.path), line, found, expected)
