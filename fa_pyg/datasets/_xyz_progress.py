"""How far an index has come, on disk: a kill at any time loses what was not yet reported, and nothing else.

The rows lie in one file that only grows; a second, small one says how many of them count and where to go
on. It is replaced in one step, after the rows are on the disk, so that it never speaks of rows that are not
there.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from fa_pyg.datasets._files import write
from fa_pyg.datasets._xyz_open import XYZError

EVERY = 0.5  # seconds between two writes: what a kill may cost
ROW = ("file", "offset", "length", "line", "atoms")


@dataclass(frozen=True)
class State:
    """Rows that count; the file that is being read, its first row, and where in it to go on."""

    rows: int = 0
    file: int = 0
    first: int = 0
    offset: int = 0
    line: int = 0
    done: bool = False
    errors: list[list] = field(default_factory=list)


class Progress:
    """Rows `[n, 5]` in `<base>.rows`, the state in `<base>.json`; one process at a time may add to them."""

    def __init__(self, base: Path) -> None:
        self.rows_path, self.state_path = Path(f"{base}.rows"), Path(f"{base}.json")
        self.state = self._load()
        self._new, self._stored, self._saved = [], self.state.rows, time.monotonic()
        state = self.state
        #: Offset and line of the last good structure of the file; its beginning if there is none yet.
        self.last = tuple(self.rows()[-1, [1, 3]].tolist()) if state.rows > state.first else (0, 0)

    def add(self, rows: np.ndarray, offset: int, line: int) -> None:
        """Takes what was found up to `offset` of the file."""
        self._new.append(rows)
        self.state = replace(self.state, rows=self.state.rows + len(rows), offset=offset, line=line)
        if len(rows):
            self.last = tuple(rows[-1, [1, 3]].tolist())

    def next_file(self) -> None:
        self.state = replace(self.state, file=self.state.file + 1, first=self.state.rows, offset=0, line=0)
        self.last = (0, 0)

    def leave_out(self, error: ValueError) -> None:
        """Forgets the rows of this file, and keeps its error."""
        self.save()
        told = list(error.args) if isinstance(error, XYZError) else [str(error)]
        self.state = replace(self.state, rows=self.state.first, errors=[*self.state.errors, told])
        self.next_file()
        self.save()  # before the rows are written over
        self._stored = self.state.rows

    def finish(self) -> None:
        self.state = replace(self.state, done=True)
        self.save()

    def save_now_and_then(self) -> None:
        """Makes sure of everything up to here, if the last time was some time ago."""
        if time.monotonic() - self._saved >= EVERY:
            self.save()

    def save(self) -> None:
        """Makes sure of everything up to here."""
        self._saved = time.monotonic()
        if self._new:
            with open(self.rows_path, "r+b" if self.rows_path.exists() else "w+b") as stream:
                stream.truncate(self._bytes(self._stored))
                stream.seek(0, os.SEEK_END)
                stream.write(np.concatenate(self._new).astype("<i8").tobytes())
                _to_disk(stream)
            self._new, self._stored = [], self.state.rows
        write(str(self.state_path), lambda path: _write_text(path, json.dumps(asdict(self.state))))

    def rows(self) -> np.ndarray:
        """The rows that count, left on disk."""
        if not self.state.rows:
            return np.empty((0, len(ROW)), "<i8")
        return np.memmap(self.rows_path, "<i8", "r", shape=(self.state.rows, len(ROW)))

    def errors(self) -> list[ValueError]:
        return [XYZError(*e) if len(e) > 1 else ValueError(*e) for e in self.state.errors]

    def _load(self) -> State:
        """The state, or a new one where nothing can be believed."""
        with suppress(OSError, ValueError, TypeError):
            found = json.loads(self.state_path.read_text())
            state = State(**found)
            if found.keys() != asdict(state).keys():
                return State()
            if not state.rows or self._bytes(state.rows) <= self.rows_path.stat().st_size:
                return state
        return State()

    @staticmethod
    def _bytes(rows: int) -> int:
        return rows * len(ROW) * 8


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Waits until no other process is at it; the system ends the lock with the process, however that ends."""
    with open(path, "ab") as stream:
        with suppress(ImportError):
            import fcntl

            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _write_text(path: str, text: str) -> None:
    with open(path, "wb") as stream:
        stream.write(text.encode())
        _to_disk(stream)


def _to_disk(stream: BinaryIO) -> None:
    stream.flush()
    os.fsync(stream.fileno())
