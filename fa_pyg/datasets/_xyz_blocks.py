"""XYZ files as text: reading them from disk and cutting them into structures."""

import gzip
import os
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from fa_pyg.datasets._xyz_grammar import (
    COUNT,
    NUMBER,
    atom_style,
    is_atom,
    looks_like_atom,
    show,
    what_is_wrong,
)

QM9 = re.compile(rb"[ \t]*gdb[ \t]+(\d{1,18})((?:[ \t]+" + NUMBER + rb"){15})[ \t]*")
EXTENDED = re.compile(rb"(?:^|[ \t])(?:Properties|Lattice)[ \t]*=")


class XYZError(ValueError):
    """A file that could not be read: `file`, `line` (from 1, None if there is none), `found`, `expected`."""

    def __init__(self, file: str, line: int | None, found: str, expected: str) -> None:
        super().__init__(file, line, found, expected)
        self.file, self.line, self.found, self.expected = file, line, found, expected

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}, line {self.line}"
        return f"{where}: found {self.found}, expected {self.expected}"


class Text(NamedTuple):
    """The lines of a file, without their ends."""

    file: str
    rows: list[bytes]

    def error(self, index: int, expected: str) -> XYZError:
        """An error about the line of that index (from 0), or about the end of the file."""
        if index >= len(self.rows):
            return XYZError(self.file, len(self.rows) + 1, "the end of the file", expected)
        found = show(self.rows[index]) if self.rows[index].strip() else "a blank line"
        return XYZError(self.file, index + 1, found, expected)

    def skip_blank(self, index: int) -> int:
        """The first line from `index` on that is not blank."""
        while index < len(self.rows) and not self.rows[index].strip():
            index += 1
        return index


class Block(NamedTuple):
    """One structure: its count at `start`, its atoms in `first:stop`, what QM9 adds in `stop:end`."""

    start: int
    first: int
    stop: int
    end: int
    comment: bytes


def load(path: str | os.PathLike) -> Text:
    """The lines of a file, decompressed if it is a gzip stream or is called `.gz`."""
    file = os.fspath(path)
    if not Path(path).is_file():  # also keeps off pipes and devices, which may never end
        found = "a directory" if Path(path).is_dir() else "no such file"
        raise XYZError(file, None, found, "an XYZ file")
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise XYZError(file, None, f"an unreadable file ({error.strerror})", "an XYZ file") from error
    if data[:2] == b"\x1f\x8b" or file.lower().endswith(".gz"):
        data = _decompress(file, data)
    return Text(file, _rows(file, data))


def _decompress(file: str, data: bytes) -> bytes:
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise XYZError(file, None, f"a broken gzip stream ({error})", "a whole gzip stream") from error


def _rows(file: str, data: bytes) -> list[bytes]:
    data = data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if (where := data.find(b"\0")) >= 0:
        raise XYZError(file, data.count(b"\n", 0, where) + 1, "binary data (a zero byte)", "text")
    rows = data.split(b"\n")
    return rows if rows[-1] else rows[:-1]


def cut(text: Text, comment: bool | None, limit: float) -> Iterator[Block]:
    """The structures of a file in order; a block is yielded before the line after it is looked at."""
    expected = "a number of atoms"
    index = text.skip_blank(0)
    if index == len(text.rows):
        raise text.error(index, expected)
    while index < len(text.rows):
        count = _count(text, index, expected)
        commented = _has_comment(text, index, count) if comment is None else comment
        yield (block := _block(text, index, count, commented, limit))
        expected = f"a number of atoms or the end of the file: line {block.start + 1} counts {count} atoms"
        expected += "" if commented else _doubt(block)
        index = text.skip_blank(block.end)


def _count(text: Text, index: int, expected: str) -> int:
    match = COUNT.fullmatch(text.rows[index])
    if match is None or int(match[1]) == 0:
        raise text.error(index, expected if match is None else "a positive number of atoms")
    return int(match[1])


def _has_comment(text: Text, index: int, count: int) -> bool:
    """Whether the line after the count is a comment: no atom line, or not one like the line below it."""
    second, *below = text.rows[index + 1 : index + 3] or [b""]
    if not is_atom(second):
        return True
    return bool(below) and is_atom(below[0]) and atom_style(below[0]) != atom_style(second)


def _block(text: Text, start: int, count: int, commented: bool, limit: float) -> Block:
    first = start + 1 + commented
    comment = text.rows[start + 1] if commented and first <= len(text.rows) else b""
    stop = first + count
    block = Block(start, first, stop, stop + 3 * bool(QM9.fullmatch(comment)), comment)
    if stop > len(text.rows):
        raise bad_atom(text, block, limit)
    return block


def bad_atom(text: Text, block: Block, limit: float) -> XYZError:
    """The error of the first bad line of a block, or of the end of a file that comes too early."""
    count, index, end = block.stop - block.first, block.first, min(block.stop, len(text.rows))
    if EXTENDED.search(block.comment):  # its columns may be in another order
        return text.error(end, f"atom {end - block.first + 1} of {count}")
    while index < end and what_is_wrong(text.rows[index], limit) is None:
        index += 1
    why = what_is_wrong(text.rows[index], limit) if index < end else "'element x y z'"
    return text.error(index, f"{why} (atom {index - block.first + 1} of {count}{_doubt(block)})")


def _doubt(block: Block) -> str:
    """What to say when an error may come from taking the second line for what it is not."""
    second = block.start + 2
    if block.first < second:
        return f"; line {second} was read as the first atom: pass comment=True if it is a comment"
    if looks_like_atom(block.comment):
        return f"; line {second} was read as a comment: pass comment=False if it is an atom"
    return ""
