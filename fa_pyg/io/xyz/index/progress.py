"""How far an index has come, on disk: a kill at any time loses what was not yet reported, and nothing else.

The rows lie in one file that only grows; a second, small one says how many of them count, their checksum, and
where to go on. It is replaced in one step, after the rows are on the disk, so that it never speaks of rows
that are not there. What does not check out is named and made again.
"""

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

EVERY = 0.5  # seconds between two writes: what a kill may cost
ROW = ("file", "offset", "length", "line", "atoms")
CHUNK = 1 << 20  # bytes checked at once
NO_LINK = getattr(os, "O_NOFOLLOW", 0)


@dataclass(frozen=True)
class State:
    """Rows that count; the file that is being read, its first row, and where in it to go on.

    Checksums are CRC-32: `check` of the rows, `first_check` of those before the file. `copies` has, for each
    file that was decompressed, what its copy looks like.
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


class CannotKeep(Exception):
    """The files of an index cannot be written where they belong."""


class Progress:
    """Rows `[n, 5]` in `<base>.rows`, the state in `<base>.json`; one process at a time may add to them."""

    def __init__(self, base: Path, lock: Lock | None = None) -> None:
        self._lock, self._key = lock, base.name
        self.rows_path, self.state_path = Path(f"{base}.rows"), Path(f"{base}.json")
        self.state = self._load()
        self._new, self._stored, self._saved = [], self.state.rows, time.monotonic()
        state = self.state
        #: Offset and line of the last good structure of the file; its beginning if there is none yet.
        self.last = tuple(self.rows()[-1, [1, 3]].tolist()) if state.rows > state.first else (0, 0)

    def add(self, rows: np.ndarray, offset: int, line: int) -> None:
        """Takes what was found up to `offset` of the file."""
        data = rows.astype("<i8").tobytes()
        self._new.append(data)
        check = zlib.crc32(data, self.state.check)
        total = self.state.rows + len(rows)
        self.state = replace(self.state, rows=total, check=check, offset=offset, line=line)
        if len(rows):
            self.last = tuple(rows[-1, [1, 3]].tolist())

    def next_file(self) -> None:
        state = self.state
        begin = {"first": state.rows, "first_check": state.check, "offset": 0, "line": 0}
        self.state = replace(state, file=state.file + 1, **begin)
        self.last = (0, 0)

    def leave_out(self, error: ValueError) -> None:
        """Forgets the rows of this file, and keeps its error."""
        self.save()
        told = list(error.args) if isinstance(error, XYZError) else [str(error)]
        state = self.state
        kept = {"rows": state.first, "check": state.first_check, "errors": [*state.errors, told]}
        self.state = replace(state, **kept)
        self.next_file()
        self.save()  # before the rows are written over
        self._stored = self.state.rows

    def keep_copy(self, file: int, looks: list[int]) -> None:
        """Takes what a decompressed copy looks like."""
        self.state = replace(self.state, copies={**self.state.copies, str(file): looks})

    def finish(self) -> None:
        self.state = replace(self.state, done=True)
        self.save()

    def save_now_and_then(self) -> None:
        """Makes sure of everything up to here, if the last time was some time ago."""
        self.show_life()
        if time.monotonic() - self._saved >= EVERY:
            self.save()

    def show_life(self) -> None:
        if self._lock is not None:
            self._lock.show_life()

    def save(self) -> None:
        """Makes sure of everything up to here. Raises :class:`CannotKeep`."""
        self._saved = time.monotonic()
        try:
            if self._new:
                self._write_rows(b"".join(self._new))
                self._new, self._stored = [], self.state.rows
            write_checked_json(self.state_path, {"key": self._key, **asdict(self.state)})
        except (OSError, ValueError) as error:
            raise CannotKeep(str(error)) from error

    def _write_rows(self, data: bytes) -> None:
        with self._rows_file() as stream:
            stream.truncate(self._bytes(self._stored))
            stream.seek(0, os.SEEK_END)
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())

    def _rows_file(self) -> BinaryIO:
        """The file to add to; a new one where none of its rows count: others may still read the old one."""
        if self._stored:
            return open(os.open(self.rows_path, os.O_RDWR | NO_LINK), "r+b")
        self.rows_path.unlink(missing_ok=True)
        return open(os.open(self.rows_path, os.O_RDWR | os.O_CREAT | os.O_EXCL | NO_LINK, 0o666), "r+b")

    def rows(self) -> np.ndarray:
        """The rows that count, left on disk."""
        if not self.state.rows:
            return np.empty((0, len(ROW)), "<i8")
        return np.memmap(self.rows_path, "<i8", "r", shape=(self.state.rows, len(ROW)))

    def errors(self) -> list[ValueError]:
        return [XYZError(*e) if len(e) > 1 else ValueError(*e) for e in self.state.errors]

    def _load(self) -> State:
        """The state, or a new one where there is none or it does not check out."""
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
        """Raises DamagedFile where the rows are not those that were written."""
        if not state.rows:
            return
        try:
            if not is_regular_file(self.rows_path):
                raise DamagedFile(self.rows_path, "a link or a folder")
            if not state.done and self.rows_path.stat().st_nlink > 1:
                raise DamagedFile(self.rows_path, "a file with another name, which must not be added to")
            check = 0
            for chunk in _chunks(self.rows_path, self._bytes(state.rows)):
                check = zlib.crc32(chunk, check)
        except OSError as error:
            raise DamagedFile(self.rows_path, f"no readable file ({error.strerror})") from error
        if check != state.check:
            raise DamagedFile(self.rows_path, "rows that were changed or cut off")

    @staticmethod
    def _bytes(rows: int) -> int:
        return rows * len(ROW) * 8


def _chunks(path: Path, size: int) -> Iterator[bytes]:
    """The first `size` bytes of a file, if it has as many."""
    with open(path, "rb") as stream:
        while size > 0 and (chunk := stream.read(min(CHUNK, size))):
            size -= len(chunk)
            yield chunk
