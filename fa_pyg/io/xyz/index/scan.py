"""Where the structures of a file begin, found in many places of it at once.

Where one structure ends says where the next begins, so that a file is a chain. A worker that is handed a part
of a file does not know where in it the chain passes, and guesses; chains that meet once agree from there on,
so a guess is as good as the truth behind the first place that the true chain passes too, and worthless
otherwise. Nothing but time depends on the guess.
"""

import itertools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from fa_pyg.io.xyz.blocks import Block, Text
from fa_pyg.io.xyz.grammar import COUNT
from fa_pyg.io.xyz.open import open_bytes
from fa_pyg.io.xyz.parse import ReadOptions, values
from fa_pyg.io.xyz.stream import PIECE, Stream, iterate_blocks

FIELDS = ("offset", "length", "line", "atoms")  # bytes, bytes, lines before it, atoms
GUESSES = 16  # lines that look like a count, tried as the first of a structure


class Part(NamedTuple):
    """Bytes `begin:stop` of a file (stop < 0: to its end), and the number of lines before them.

    Without that number it is not known where the first structure begins.
    """

    path: str
    begin: int
    stop: int
    line: int | None


class Chain(NamedTuple):
    """Structures `[m, 4]`, where the next one begins (offset and lines before it), and whether it is none."""

    found: np.ndarray
    offset: int
    line: int
    failed: bool


def follow(part: Part, reading: ReadOptions, size: int = PIECE) -> Chain:
    """The structures that begin in a part of a file, each of them read and found good."""
    if part.line is not None:
        return _chain(part, reading, size)
    for offset in _guesses(part, size):
        chain = _chain(part._replace(begin=offset, line=0), reading, size)
        if not chain.failed or len(chain.found) > 1:
            return chain
    return Chain(np.empty((0, len(FIELDS)), np.int64), part.begin, 0, True)


def joined(chain: Chain, offset: int, line: int) -> Chain | None:
    """A guessed chain from the place on that the true one comes to; None if it does not pass there."""
    starts = chain.found[:, 0]
    where = int(np.searchsorted(starts, offset))
    if where == len(starts) or starts[where] != offset:
        return None
    rest = chain.found[where:].copy()
    shift = line - int(rest[0, 2])
    rest[:, 2] += shift
    return Chain(rest, chain.offset, chain.line + shift, chain.failed)


def explain(path: str, name: str, offset: int, line: int, reading: ReadOptions, size: int = PIECE) -> None:
    """Raises what `read_xyz` does for the first bad structure from the good one at `offset` on."""
    for _ in iterate_blocks(path, reading, _values(reading), offset, line, size, name=name):
        pass
    raise ValueError(f"{name}: found a file that changes, expected one that stays as it is while it is read")


def _values(reading: ReadOptions) -> Callable[[Text, Block], object]:
    return lambda text, block: values(text, block, reading)


def _chain(part: Part, reading: ReadOptions, size: int) -> Chain:
    found, offset, line = [], part.begin, part.line
    try:
        rest = iterate_blocks(
            part.path, reading, _values(reading), part.begin, part.line, size, thorough=False
        )
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
    """Offsets of the first lines of a part that look like a number of atoms."""
    try:
        with open_bytes(part.path) as source:
            text = Stream(part.path, source, part.begin - 1, 0, size)
            indices = itertools.count(1)  # row 0 began before the part
            inside = itertools.takewhile(lambda i: text.has(i) and text.starts[i] < part.stop, indices)
            counts = (int(text.starts[i]) for i in inside if COUNT.fullmatch(text.rows[i]))
            return list(itertools.islice(counts, GUESSES))
    except ValueError:
        return []
