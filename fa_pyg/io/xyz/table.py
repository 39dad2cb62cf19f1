"""A CSV beside the files: numbers and words for every structure, by the name of its file or by its place."""

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
from fa_pyg.io.xyz.table_rows import Key, TableRows, named


@dataclass(frozen=True)
class Table:
    """How a CSV file is read: a line of names, then a row for every structure.

    A row belongs to a structure by the column `file`, `index`, or both: the name of the file (with or without
    its ending, or with its folders as seen from the folder of the table) and the place of the structure among
    those of that file; without `file`, its place among all structures; without `index`, the only one of its
    file. Places begin at 0.

    Args:
        path: The CSV file, UTF-8.
        file, index: What these columns are called; those that the table has are used.
        columns: Names of attributes, to the columns that hold them, `{"energy": "E_dft"}`, or names that are
            both; None is all other columns. A number becomes `[1]` in float64.
        text: Which of these attributes are words.
        delimiter: What separates the cells.

    Raises ValueError, when a data set reads it, with the line of the row: for a row that belongs to no
    structure, or to one that has a row already, a wrong number of cells, a cell that is no finite number. A
    structure without a row is named by its own file and line.
    """

    path: str | os.PathLike
    file: str = "file"
    index: str = "index"
    columns: Mapping[str, str] | Iterable[str] | None = None
    text: Sequence[str] = ()
    delimiter: str = ","

    @classmethod
    def of(cls, table: "Table | str | os.PathLike") -> "Table":
        return table if isinstance(table, cls) else cls(table)

    def read(self) -> "TableRows":
        """The rows of the file, checked by themselves."""
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
                raise self._error(line, named(key), f"one row of it; line {where[keys[key]]} is another")
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
        """The number of each line that is not blank, and its cells."""
        rows = csv.reader(io.StringIO(self._content(), newline=""), delimiter=self.delimiter, strict=True)
        line = 1
        try:
            for cells in rows:
                if cells:
                    yield line, [cell.strip() for cell in cells]
                line = rows.line_num + 1
        except csv.Error as error:
            raise self._error(line, f"no CSV ({error})", "cells and delimiters") from error

    def _content(self) -> str:
        try:
            data = Path(self.path).read_bytes()
            return data.decode("utf-8-sig")
        except OSError as error:
            raise XYZError(str(self.path), None, f"no readable file ({error.strerror})", "a table") from error
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise self._error(line, f"no CSV ({error.reason} of utf-8)", "cells in UTF-8") from error

    def _columns(self, line: int, head: list[str]) -> dict[str, str]:
        """The column of each attribute."""
        if twice := [name for name, count in Counter(head).items() if count > 1]:
            raise self._error(line, f"{show(twice[0].encode())} twice", "different names")
        keys = {self.file, self.index}
        found = f"the columns {', '.join(head)[:60]!r}"
        if not keys & set(head):
            raise self._error(line, found, f"one called {self.file} or {self.index}")
        columns = self.columns if self.columns is not None else [name for name in head if name not in keys]
        columns = dict(columns) if isinstance(columns, Mapping) else {name: name for name in columns}
        for name, column in columns.items():
            if column not in head:
                raise self._error(line, found, f"one called {column}")
            if not is_free(name, of_atoms=False):
                raise self._error(line, f"the name {name!r}", "one that is free; columns= gives others")
        if strange := [name for name in self.text if name not in columns]:
            raise self._error(line, f"no column for {strange[0]!r} of text=", "a column")
        return columns

    def _key(self, line: int, row: Mapping[str, str]) -> Key:
        file, index = row.get(self.file), row.get(self.index)
        if file == "":
            raise self._error(line, f"an empty cell for {self.file}", "the name of a file")
        if index is not None and not (index.isascii() and index.isdigit() and len(index) < 19):
            raise self._error(line, f"{show(index.encode())} for {self.index}", "a whole number")
        return file and Path(file).as_posix(), None if index is None else int(index)

    def _number(self, line: int, name: str, cell: str) -> float:
        text = cell.encode()
        value = floats([text])[0] if NUMBER_TEXT.fullmatch(text) else np.nan
        if not np.isfinite(value):
            raise self._error(line, f"{show(text)} for {name}", "a finite number (text= names words)")
        return value

    def _error(self, line: int, found: str, expected: str) -> XYZError:
        return XYZError(str(self.path), line, found, expected)
