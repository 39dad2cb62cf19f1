"""Find where the structures of a file begin, by several workers at once.

The end of a structure is the beginning of the next, so a file is a chain. A worker that scans a part of a
file does not know where the chain enters the part, and guesses. Chains that meet once agree from there on: a
guess is correct after the first position that the true chain also passes, and discarded otherwise. The guess
affects time alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from fa_pyg.io.xyz.grammar import COUNT
from fa_pyg.io.xyz.lines import Block, Text
from fa_pyg.io.xyz.open import open_bytes
from fa_pyg.io.xyz.options import ReadOptions
from fa_pyg.io.xyz.parse import values
from fa_pyg.io.xyz.stream import PIECE, Stream, iterate_blocks

__all__ = ["Chain", "Part", "follow", "join", "raise_error_of"]

FIELDS = ("offset", "length", "line", "atoms")  # bytes, bytes, lines before it, atoms
GUESSES = 16  # lines that look like a count, tried as the first of a structure


class Part(NamedTuple):
    """Bytes ``begin:stop`` of a file (stop < 0: to its end), and the number of lines before them.

    Without that number, the start of the first structure is unknown.
    """

    path: str
    begin: int
    stop: int
    line: int | None


class Chain(NamedTuple):
    """Structures ``[m, 4]``, the start of the next (offset and lines before), and whether that one is bad."""

    found: np.ndarray
    offset: int
    line: int
    failed: bool


def follow(part: Part, reading: ReadOptions, size: int = PIECE) -> Chain:
    """Return the structures that begin in a part of a file, all read and found to be good."""
    if part.line is not None:
        return _chain(part, reading, size)
    for offset in _guesses(part, size):
        chain = _chain(part._replace(begin=offset, line=0), reading, size)
        if not chain.failed or len(chain.found) > 1:
            return chain
    return Chain(np.empty((0, len(FIELDS)), np.int64), part.begin, 0, True)


def join(chain: Chain, offset: int, line: int) -> Chain | None:
    """Return a guessed chain from the position of the true one on; None if it does not pass there."""
    starts = chain.found[:, 0]
    where = int(np.searchsorted(starts, offset))
    if where == len(starts) or starts[where] != offset:
        return None
    rest = chain.found[where:].copy()
    shift = line - int(rest[0, 2])
    rest[:, 2] += shift
    return Chain(rest, chain.offset, chain.line + shift, chain.failed)


def raise_error_of(
    path: str, name: str, offset: int, line: int, reading: ReadOptions, size: int = PIECE
) -> None:
    """Raise the error of ``read_xyz`` for the first bad structure after the good one at ``offset``.

    Raises:
        ValueError: in any case.
    """
    for _ in iterate_blocks(path, reading, _values(reading), offset, line, size, name=name):
        pass
    raise ValueError(f"{name}: expected a file that stays unchanged while it is read, found one that changes")


def _values(reading: ReadOptions) -> Callable[[Text, Block], object]:
    return lambda text, block: values(text, block, reading)


def _chain(part: Part, reading: ReadOptions, size: int) -> Chain:
    found, offset, line = [], part.begin, part.line or 0
    try:
        rest = iterate_blocks(part.path, reading, _values(reading), part.begin, line, size, thorough=False)
        for text, block, _ in rest:
            start, stop = text.starts[block.start], text.starts[min(block.end, len(text.rows))]
            found.append((start, stop - start, text.line + block.start, block.stop - block.first))
            after = text.skip_blank(block.end)
            offset, line = int(text.starts[min(after, len(text.rows))]), text.line + after
            if 0 <= part.stop <= offset:
                break
        failed = False
    except ValueError:
        failed = True
    return Chain(np.array(found, np.int64).reshape(-1, len(FIELDS)), offset, line, failed)


def _guesses(part: Part, size: int) -> list[int]:
    """Return offsets of the first lines of a part that look like a number of atoms."""
    try:
        with open_bytes(part.path) as source:
            text = Stream(part.path, source, part.begin - 1, 0, size)
            indices = itertools.count(1)  # row 0 began before the part
            inside = itertools.takewhile(lambda i: text.has(i) and text.starts[i] < part.stop, indices)
            counts = (int(text.starts[i]) for i in inside if COUNT.fullmatch(text.rows[i]))
            return list(itertools.islice(counts, GUESSES))
    except ValueError:
        return []
