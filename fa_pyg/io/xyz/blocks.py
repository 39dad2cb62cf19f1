"""XYZ files as text: lines, and the structures that they are cut into."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from fa_pyg.io.xyz.errors import XYZError, binary_data
from fa_pyg.io.xyz.grammar import (
    COUNT,
    NUMBER,
    atom_style,
    is_atom,
    looks_like_atom,
    parse_atoms,
    show,
    what_is_wrong,
)
from fa_pyg.io.xyz.header import EXTENDED
from fa_pyg.io.xyz.open import open_bytes

QM9 = re.compile(rb"[ \t]*gdb[ \t]+(\d{1,18})((?:[ \t]+" + NUMBER + rb"){15})[ \t]*")


@dataclass(slots=True)
class Text:
    """The lines of a file, without their ends; `line` of them come before the first row."""

    file: str
    rows: list[bytes]
    line: int = 0

    def number(self, index: int) -> int:
        """The number (from 1) of the line of that index (from 0)."""
        return self.line + index + 1

    def error(self, index: int, expected: str) -> XYZError:
        """An error about the line of that index, or about the end of the file."""
        if index >= len(self.rows):
            return XYZError(self.file, self.number(len(self.rows)), "the end of the file", expected)
        found = show(self.rows[index]) if self.rows[index].strip() else "a blank line"
        return XYZError(self.file, self.number(index), found, expected)

    def skip_blank(self, index: int) -> int:
        """The first line from `index` on that is not blank."""
        while self.has(index) and not self.rows[index].strip():
            index += 1
        return index

    def has(self, index: int) -> bool:
        """Whether there is a line of that index; here and below, a text that is read piecemeal reads on."""
        return index < len(self.rows)

    def reach(self, block: "Block", limit: float) -> None:
        """Sees to it that the lines of a block are there, unless the file ends or the block is wrong."""

    def forget(self, index: int) -> int:
        """What the index of a line becomes when those before it are no longer needed."""
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
    with open_bytes(path) as stream:
        return Text(os.fspath(path), split_lines(os.fspath(path), stream.read()))


def split_lines(file: str, data: bytes) -> list[bytes]:
    """All lines of a file from its bytes."""
    data = data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if (where := data.find(b"\0")) >= 0:
        raise binary_data(file, data.count(b"\n", 0, where) + 1)
    rows = data.split(b"\n")
    return rows if rows[-1] else rows[:-1]


def cut(text: Text, comment: bool | None, limit: float) -> Iterator[Block]:
    """The structures of a file in order; a block is yielded before the line after it is looked at."""
    expected = "a number of atoms"
    index = text.skip_blank(0)
    if not text.has(index):
        raise text.error(index, expected)
    while text.has(index):
        count = _count(text, index, expected)
        commented = _has_comment(text, index) if comment is None else comment
        yield (block := _block(text, index, count, commented, limit))
        line = text.number(block.start)
        expected = f"a number of atoms or the end of the file: line {line} counts {count} atoms"
        expected += "" if commented else _doubt(text, block)
        index = text.forget(text.skip_blank(block.end))


def _count(text: Text, index: int, expected: str) -> int:
    match = COUNT.fullmatch(text.rows[index])
    if match is None or int(match[1]) == 0:
        raise text.error(index, expected if match is None else "a positive number of atoms")
    return int(match[1])


def _has_comment(text: Text, index: int) -> bool:
    """Whether the line after the count is a comment: no atom line, or not one like the line below it."""
    text.has(index + 2)
    second, *below = text.rows[index + 1 : index + 3] or [b""]
    if not is_atom(second):
        return True
    return bool(below) and is_atom(below[0]) and atom_style(below[0]) != atom_style(second)


def _block(text: Text, start: int, count: int, commented: bool, limit: float) -> Block:
    first = start + 1 + commented
    comment = text.rows[start + 1] if commented and text.has(start + 1) else b""
    stop = first + count
    block = Block(start, first, stop, stop + 3 * bool(QM9.fullmatch(comment)), comment)
    text.reach(block, limit)
    if stop > len(text.rows):
        raise bad_atom(text, block, limit)
    return block


def bad_atom(text: Text, block: Block, limit: float) -> XYZError:
    """The error of the first bad line of a block, or of the end of a file that comes too early."""
    count, index, end = block.stop - block.first, block.first, min(block.stop, len(text.rows))
    if EXTENDED.search(block.comment):  # its columns may be in another order
        return text.error(end, f"atom {end - block.first + 1} of {count}")
    if (
        index < end and parse_atoms(text.rows[index:end], limit) is not None
    ):  # all at once, as there may be very many
        index = end
    while index < end and what_is_wrong(text.rows[index], limit) is None:
        index += 1
    why = what_is_wrong(text.rows[index], limit) if index < end else "'element x y z'"
    return text.error(index, f"{why} (atom {index - block.first + 1} of {count}{_doubt(text, block)})")


def _doubt(text: Text, block: Block) -> str:
    """What to say when an error may come from taking the second line for what it is not."""
    second = text.number(block.start + 1)
    if block.first == block.start + 1:
        return f"; line {second} was read as the first atom: pass comment=True if it is a comment"
    if looks_like_atom(block.comment):
        return f"; line {second} was read as a comment: pass comment=False if it is an atom"
    return ""
