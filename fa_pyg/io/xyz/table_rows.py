"""Match the rows of a table with structures, one row per structure."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch_geometric.data import Data

from fa_pyg.io.xyz.errors import XYZError
from fa_pyg.io.xyz.grammar import show
from fa_pyg.io.xyz.open import ENDINGS

__all__ = ["Key", "TableRows", "describe_key"]

Key = tuple[str | None, int | None]  # name of the file, position


@dataclass(frozen=True)
class TableRows:
    """The rows of a table: keys, lines, ``numbers [rows, names]``, and words.

    ``file`` and ``index`` are the names of the key columns, ``text`` those of the words.
    """

    path: str | os.PathLike
    file: str
    index: str
    text: Sequence[str]
    keys: dict[Key, int]
    lines: list[int]
    names: list[str]
    numbers: np.ndarray
    words: list[list[str]]

    def match(self, files: Sequence[Path], counts: Sequence[int], source: Callable[[int], str]) -> np.ndarray:
        """Return the row of each structure, where file i has ``counts[i]`` structures (0 where left out).

        Raises:
            ValueError: for a row without a structure, or a structure without a row or with several.
        """
        by_name, by_place = (next((k[i] is not None for k in self.keys), False) for i in (0, 1))
        if not by_name and 0 in counts:
            bad = files[list(counts).index(0)]
            found = f"positions of structures, but {bad} is bad"
            raise XYZError(str(self.path), None, found, f"a column {self.file}")
        names = self._names(files) if by_name else {}
        found = np.full(sum(counts), -1)
        firsts = np.concatenate([[0], np.cumsum(counts)])
        for (name, index), row in self.keys.items():
            first, count = 0, len(found)
            if by_name:
                file = None if name is None else names.get(name)
                if file is None:
                    raise self._surplus(row, "the name of one file of the data set")
                first, count = firsts[file], counts[file]
            if by_name and count == 0:
                continue
            if not by_place and count != 1:
                raise self._surplus(row, f"a column {self.index}, as the file has {count} structures")
            if by_place and index is not None and index >= count:
                raise self._surplus(row, f"a position below {count}")
            if found[(place := first + (index or 0))] >= 0:
                raise self._surplus(row, f"one row of it (line {self.lines[found[place]]} is another)")
            found[place] = row
        if (missing := np.flatnonzero(found < 0)).size:
            raise ValueError(f"{source(int(missing[0]))}: expected a row in {self.path}, found none")
        return found

    def digest(self) -> str:
        """Return a digest of the rows."""
        described = repr((list(self.keys), list(self.text), self.names, self.words)).encode()
        return hashlib.sha256(described + self.numbers.tobytes()).hexdigest()[:16]

    def add(self, data: Data, row: int) -> None:
        """Add the values of a row to a structure."""
        for name, value in zip(self.names, self.numbers[row].tolist(), strict=True):
            data[name] = torch.tensor([value], dtype=torch.float64)
        for name, word in zip(self.text, self.words[row], strict=True):
            data[name] = word

    def _surplus(self, row: int, expected: str) -> XYZError:
        key = next(key for key, place in self.keys.items() if place == row)
        return XYZError(str(self.path), self.lines[row], describe_key(key), expected)

    def _names(self, files: Sequence[Path]) -> dict[str, int | None]:
        """Return the file of each name; None for a name of several files."""
        folder = Path(self.path).absolute().parent
        names: dict[str, int | None] = {}
        for i, file in enumerate(files):
            relative = Path(os.path.relpath(Path(file).absolute(), folder)).as_posix()
            full = {relative, file.name, Path(file).as_posix()}
            for name in full | {_stem(name) for name in full}:
                names[name] = None if name in names else i
        return names


def _stem(name: str) -> str:
    """Return a file name without its endings."""
    for ending in (*ENDINGS, ".xyz", ".extxyz"):
        name = name[: -len(ending)] if name.lower().endswith(ending) else name
    return name


def describe_key(key: Key) -> str:
    """Return a key for error messages."""
    file, index = key
    where = "structure" if file is None else show(file.encode())
    return where if index is None else f"{where} {index}"
