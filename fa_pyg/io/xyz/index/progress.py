"""The progress of an index on disk: a kill at any time loses only what was not yet saved.

The rows are in a file that only grows. A small second file has their number, their checksum, and where to
continue. It is replaced atomically after the rows are on disk, so it never refers to missing rows. Damaged
files are named in a warning and built again.
"""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np

from fa_pyg.files.checked_json import DamagedFile, is_regular_file, read_checked_json, write_checked_json
from fa_pyg.files.lock import Lock
from fa_pyg.io.xyz.errors import XYZError

__all__ = ["CannotStore", "Progress", "State"]

EVERY = 0.5  # seconds between two writes: what a kill may cost
ROW = ("file", "offset", "length", "line", "atoms")
CHUNK = 1 << 20  # bytes checked at once
NO_LINK = getattr(os, "O_NOFOLLOW", 0)


@dataclass(frozen=True)
class State:
    """The number of valid rows; the file in progress, its first row, and where to continue in it.

    Checksums are CRC-32: ``check`` of the rows, ``first_check`` of those before the file. ``copies`` has the
    fingerprint of the copy of each decompressed file.
    """

    rows: int = 0
    file: int = 0
    first: int = 0
    offset: int = 0
    line: int = 0
    done: bool = False
    errors: list[list] = field(default_factory=list)
    check: int = 0
    first_check: int = 0
    copies: dict[str, list[int]] = field(default_factory=dict)


class CannotStore(Exception):
    """The files of an index cannot be written in the folder."""


class Progress:
    """Rows ``[n, 5]`` in ``<base>.rows``, the state in ``<base>.json``, written by one process at a time."""

    def __init__(self, base: Path, lock: Lock | None = None) -> None:
        self._lock, self._key = lock, base.name
        self.rows_path, self.state_path = Path(f"{base}.rows"), Path(f"{base}.json")
        self.state = self._load()
        self._new, self._stored, self._saved = [], self.state.rows, time.monotonic()
        state = self.state
        #: Offset and line of the last good structure of the file, or of its beginning.
        self.last = tuple(self.rows()[-1, [1, 3]].tolist()) if state.rows > state.first else (0, 0)

    def add(self, rows: np.ndarray, offset: int, line: int) -> None:
        """Add the rows of structures up to ``offset`` of the file."""
        data = rows.astype("<i8").tobytes()
        self._new.append(data)
        check = zlib.crc32(data, self.state.check)
        total = self.state.rows + len(rows)
        self.state = replace(self.state, rows=total, check=check, offset=offset, line=line)
        if len(rows):
            self.last = tuple(rows[-1, [1, 3]].tolist())

    def next_file(self) -> None:
        """Continue with the next file."""
        state = self.state
        begin = {"first": state.rows, "first_check": state.check, "offset": 0, "line": 0}
        self.state = replace(state, file=state.file + 1, **begin)
        self.last = (0, 0)

    def leave_out(self, error: ValueError) -> None:
        """Drop the rows of this file, and store its error."""
        self.save()
        arguments = list(error.args) if isinstance(error, XYZError) else [str(error)]
        state = self.state
        kept = {"rows": state.first, "check": state.first_check, "errors": [*state.errors, arguments]}
        self.state = replace(state, **kept)
        self.next_file()
        self.save()  # before the rows are overwritten
        self._stored = self.state.rows

    def add_copy(self, file: int, fingerprint: list[int]) -> None:
        """Store the fingerprint of a decompressed copy."""
        self.state = replace(self.state, copies={**self.state.copies, str(file): fingerprint})

    def finish(self) -> None:
        """Save the complete index."""
        self.state = replace(self.state, done=True)
        self.save()

    def save_sometimes(self) -> None:
        """Save, unless the last time was just before."""
        self.show_life()
        if time.monotonic() - self._saved >= EVERY:
            self.save()

    def show_life(self) -> None:
        """Show processes that wait that work goes on."""
        if self._lock is not None:
            self._lock.show_life()

    def save(self) -> None:
        """Write rows and state.

        Raises:
            CannotStore: where that fails.
        """
        self._saved = time.monotonic()
        try:
            if self._new:
                self._write_rows(b"".join(self._new))
                self._new, self._stored = [], self.state.rows
            write_checked_json(self.state_path, {"key": self._key, **asdict(self.state)})
        except (OSError, ValueError) as error:
            raise CannotStore(str(error)) from error

    def _write_rows(self, data: bytes) -> None:
        with self._rows_file() as stream:
            stream.truncate(self._bytes(self._stored))
            stream.seek(0, os.SEEK_END)
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())

    def _rows_file(self) -> BinaryIO:
        """Open the file to append to; a new one where no row is valid, as the old one may be in use."""
        if self._stored:
            return open(os.open(self.rows_path, os.O_RDWR | NO_LINK), "r+b")
        self.rows_path.unlink(missing_ok=True)
        return open(os.open(self.rows_path, os.O_RDWR | os.O_CREAT | os.O_EXCL | NO_LINK, 0o666), "r+b")

    def rows(self) -> np.ndarray:
        """Return the valid rows, mapped from disk."""
        if not self.state.rows:
            return np.empty((0, len(ROW)), "<i8")
        return np.memmap(self.rows_path, "<i8", "r", shape=(self.state.rows, len(ROW)))

    def errors(self) -> list[ValueError]:
        """Return the errors of files that were left out."""
        return [XYZError(*e) if len(e) > 1 else ValueError(*e) for e in self.state.errors]

    def _load(self) -> State:
        """Return the stored state, or a new one where it is missing or damaged."""
        try:
            if (found := read_checked_json(self.state_path)) is None:
                return State()
            if found.pop("key", None) != self._key or found.keys() != asdict(State()).keys():
                raise DamagedFile(self.state_path, "the state of another index or version")
            state = State(**found)
            self._check_rows(state)
            return state
        except DamagedFile as damage:
            damage.warn(stacklevel=6)
            return State()

    def _check_rows(self, state: State) -> None:
        """Raise DamagedFile where rows were changed."""
        if not state.rows:
            return
        try:
            if not is_regular_file(self.rows_path):
                raise DamagedFile(self.rows_path, "a link or a folder")
            if not state.done and self.rows_path.stat().st_nlink > 1:
                raise DamagedFile(self.rows_path, "a file with another hard link, which must not be changed")
            check = 0
            for chunk in _chunks(self.rows_path, self._bytes(state.rows)):
                check = zlib.crc32(chunk, check)
        except OSError as error:
            raise DamagedFile(self.rows_path, f"an unreadable file ({error.strerror})") from error
        if check != state.check:
            raise DamagedFile(self.rows_path, "rows that were changed or cut off")

    @staticmethod
    def _bytes(rows: int) -> int:
        return rows * len(ROW) * 8


def _chunks(path: Path, size: int) -> Iterator[bytes]:
    """Yield the first ``size`` bytes of a file, if it has as many."""
    with open(path, "rb") as stream:
        while size > 0 and (chunk := stream.read(min(CHUNK, size))):
            size -= len(chunk)
            yield chunk
