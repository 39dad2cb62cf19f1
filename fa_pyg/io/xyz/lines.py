"""Lines of an XYZ file: in memory, or, in ``stream.py``, read as needed."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

from fa_pyg.io.xyz.errors import XYZError, binary_data
from fa_pyg.io.xyz.grammar import show
from fa_pyg.io.xyz.open import open_bytes

__all__ = ["Block", "LoadedText", "Text", "load", "split_lines"]


class Block(NamedTuple):
    """The lines of a structure: count ``start``, atoms ``first:stop``, further lines of QM9 ``stop:end``."""

    start: int
    first: int
    stop: int
    end: int
    comment: bytes


@dataclass(slots=True)
class Text(ABC):
    """Lines of a file, without line ends; ``line`` lines precede the first row."""

    file: str
    rows: list[bytes]
    line: int = 0

    def number(self, index: int) -> int:
        """Return the line number (from 1) of a row."""
        return self.line + index + 1

    def error(self, index: int, expected: str) -> XYZError:
        """Return an error about a row, or about the end of the file."""
        if index >= len(self.rows):
            return XYZError(self.file, self.number(len(self.rows)), "the end of the file", expected)
        found = show(self.rows[index]) if self.rows[index].strip() else "a blank line"
        return XYZError(self.file, self.number(index), found, expected)

    def skip_blank(self, index: int) -> int:
        """Return the first row from ``index`` on that is not blank."""
        while self.has(index) and not self.rows[index].strip():
            index += 1
        return index

    @abstractmethod
    def has(self, index: int) -> bool:
        """Return whether there is such a row, reading on where needed."""

    @abstractmethod
    def reach(self, block: Block, limit: float) -> None:
        """Read all rows of a block, unless the file ends or the block is seen to be wrong."""

    @abstractmethod
    def forget(self, index: int) -> int:
        """Drop the rows before ``index``, which are no longer needed; return the new index of that row."""


@dataclass(slots=True)
class LoadedText(Text):
    """All lines of a file."""

    def has(self, index: int) -> bool:
        return index < len(self.rows)

    def reach(self, block: Block, limit: float) -> None:
        """Do nothing: all rows are here."""

    def forget(self, index: int) -> int:
        return index


def load(path: str | os.PathLike) -> LoadedText:
    """Read all lines of a file, decompressed where it is packed."""
    with open_bytes(path) as stream:
        return LoadedText(os.fspath(path), split_lines(os.fspath(path), stream.read()))


def split_lines(file: str, data: bytes) -> list[bytes]:
    """Split the bytes of a file into lines.

    Raises:
        XYZError: for a zero byte.
    """
    data = data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if (where := data.find(b"\0")) >= 0:
        raise binary_data(file, data.count(b"\n", 0, where) + 1)
    rows = data.split(b"\n")
    return rows if rows[-1] else rows[:-1]
