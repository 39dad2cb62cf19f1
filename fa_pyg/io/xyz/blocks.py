"""Cut the lines of an XYZ file into structures, and say what is wrong where that fails."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fa_pyg.io.xyz.errors import XYZError
from fa_pyg.io.xyz.grammar import (
    COUNT,
    NUMBER,
    atom_style,
    is_atom,
    looks_like_atom,
    parse_atoms,
    what_is_wrong,
)
from fa_pyg.io.xyz.header import EXTENDED
from fa_pyg.io.xyz.lines import Block, Text

__all__ = ["QM9", "bad_atom", "cut"]

QM9 = re.compile(rb"[ \t]*gdb[ \t]+(\d{1,18})((?:[ \t]+" + NUMBER + rb"){15})[ \t]*")


def cut(text: Text, comment: bool | None, limit: float) -> Iterator[Block]:
    """Yield the structures of a file in order, each before the line after it is read."""
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
    """Return whether the line after the count is a comment: not an atom line, or unlike the line below."""
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
    """Return the error of the first bad line of a block, or of a file that ends too early."""
    count, index, end = block.stop - block.first, block.first, min(block.stop, len(text.rows))
    if EXTENDED.search(block.comment):  # columns may be in another order
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
    """Return a hint where the second line may have been misread, as a comment or as an atom."""
    second = text.number(block.start + 1)
    if block.first == block.start + 1:
        return f"; line {second} was read as the first atom: pass comment=True if it is a comment"
    if looks_like_atom(block.comment):
        return f"; line {second} was read as a comment: pass comment=False if it is an atom"
    return ""
