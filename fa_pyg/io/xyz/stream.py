"""Lines and structures of XYZ files of any size, read piece by piece."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import BinaryIO, TypeVar

import numpy as np
from torch_geometric.data import Data

from fa_pyg.io.xyz.blocks import cut
from fa_pyg.io.xyz.errors import binary_data
from fa_pyg.io.xyz.grammar import parse_atoms
from fa_pyg.io.xyz.header import EXTENDED
from fa_pyg.io.xyz.lines import Block, LoadedText, Text
from fa_pyg.io.xyz.open import open_bytes
from fa_pyg.io.xyz.options import ReadOptions
from fa_pyg.io.xyz.parse import check_values, structure

__all__ = ["PIECE", "Stream", "iterate_blocks", "structures"]

PIECE = 1 << 20  # bytes read at once: enough to hide the call, few enough for the cache
PATIENCE = 20_000  # lines of a structure after which its count is doubted
T = TypeVar("T")
_BOM = b"\xef\xbb\xbf"


class Stream(Text):
    """Lines of a file from ``offset`` on, of which only those in use are held.

    ``starts[i]`` is the offset of row i in the file, ``starts[-1]`` that of the end of the last row.
    """

    __slots__ = ("_head", "_size", "_source", "_tail", "check", "ended", "starts")

    def __init__(self, file: str, source: BinaryIO, offset: int, line: int, size: int) -> None:
        super().__init__(file, [], line)
        self.check: Callable[[Text, Block], object] = lambda text, block: None
        self._source, self._size, self._tail, self.ended = source, size, b"", False
        if offset:
            source.seek(offset)
        self._head = b"" if offset else source.read(len(_BOM))
        if self._head == _BOM:
            self._head, offset = b"", len(_BOM)
        self.starts = np.array([offset])

    def has(self, index: int) -> bool:
        while index >= len(self.rows) and not self.ended:
            self._more()
        return index < len(self.rows)

    def reach(self, block: Block, limit: float) -> None:
        while len(self.rows) < block.end and not self.ended:
            if len(self.rows) - block.first > PATIENCE and self._is_wrong(block, limit):
                return
            self._more()

    def forget(self, index: int) -> int:
        if 2 * index < len(self.rows):  # moving the rest costs less than what was read before
            return index
        del self.rows[:index]
        self.starts, self.line = self.starts[index:], self.line + index
        return 0

    def exhaust(self) -> None:
        """Read the rest, and raise if it is not text: that error takes precedence over one of a line."""
        while not self.ended:
            del self.rows[: (read := len(self.rows))]
            self.starts, self.line = self.starts[read:], self.line + read
            self._more()

    def _more(self) -> None:
        """Read as much as is held already, so that long structures take few steps."""
        piece = self._head + self._source.read(max(self._size, len(self._tail) + self._held()))
        raw, self._head, self.ended = self._tail + piece, b"", not piece
        if b"\0" in piece:
            self._raise_binary(raw)
        stop = max(raw.rfind(b"\n"), raw.rfind(b"\r", 0, len(raw) - 1)) + 1 if piece else len(raw)
        complete, self._tail = raw[:stop], raw[stop:]
        rows = complete.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        self.rows += rows if rows[-1] else rows[:-1]
        ends = [_line_ends(complete), [] if complete[-1:] in (b"", b"\n", b"\r") else [stop]]
        self.starts = np.concatenate([self.starts, *(self.starts[-1] + np.array(e, np.int64) for e in ends)])

    def _held(self) -> int:
        return int(self.starts[-1] - self.starts[0])

    def _raise_binary(self, raw: bytes) -> None:
        self.ended = True
        while self._source.read(self._size):  # a broken packed stream takes precedence
            pass
        before = raw[: raw.index(b"\0")].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        raise binary_data(self.file, self.number(len(self.rows) + before.count(b"\n")))

    def _is_wrong(self, block: Block, limit: float) -> bool:
        """Return whether a structure longer than what was read is seen to be wrong, and need not be read."""
        stop = min(block.stop, len(self.rows))
        if not EXTENDED.search(block.comment):
            return parse_atoms(self.rows[block.first : stop], limit) is None
        total = len(self.rows) + self._count_lines()
        if total < block.stop:
            expected = f"atom {total - block.first + 1} of {block.stop - block.first}"
            raise LoadedText(self.file, [], self.line + total).error(0, expected)
        self.check(self, block._replace(stop=stop, end=stop))
        return False

    def _count_lines(self) -> int:
        """Count the lines that are not read yet."""
        position, lines, last = self._source.tell(), 0, b""
        piece = self._tail or self._source.read(self._size)
        while piece:
            whole = last[-1:] + piece
            lines += len(_line_ends(whole)) - len(_line_ends(last[-1:]))
            last, piece = piece, self._source.read(self._size)
        self._source.seek(position)
        return lines + (last[-1:] not in (b"", b"\n", b"\r"))


def _line_ends(data: bytes) -> np.ndarray:
    """Return the offsets after each line end: LF, CR LF, or CR."""
    codes = np.frombuffer(data, np.uint8)
    feeds = codes == 10
    if b"\r" in data:
        feeds = feeds.copy()
        returns = np.flatnonzero(codes == 13)
        feeds[returns[codes[np.minimum(returns + 1, len(codes) - 1)] != 10]] = True
    return np.flatnonzero(feeds) + 1


def iterate_blocks(
    path: str | os.PathLike,
    reading: ReadOptions,
    make: Callable[[Text, Block], T],
    offset: int = 0,
    line: int = 0,
    size: int = PIECE,
    *,
    name: str | None = None,
    thorough: bool = True,
) -> Iterator[tuple[Stream, Block, T]]:
    """Yield the blocks of a file, each with the text and the result of ``make``.

    Args:
        path: The file.
        reading: How it is read.
        make: A function of the text and a block.
        offset, line: Where to begin, in bytes, and the number of lines before.
        size: Bytes read at once.
        name: What errors call the file.
        thorough: Whether errors are those of the whole file, rather than of what was read.
    """
    with open_bytes(path) as source:
        text = Stream(name or os.fspath(path), source, offset, line, size)
        text.check = lambda part, block: check_values(part, block, reading)
        try:
            for block in cut(text, reading.comment, reading.limit):
                yield text, block, make(text, block)
        except ValueError:
            if thorough:
                text.exhaust()
            raise


def structures(path: str | os.PathLike, reading: ReadOptions, size: int = PIECE) -> Iterator[Data]:
    """Yield what ``read_xyz`` returns one by one; raise its errors after the structures before them."""
    blocks = iterate_blocks(path, reading, lambda text, block: structure(text, block, reading), size=size)
    yield from (data for _, _, data in blocks)
