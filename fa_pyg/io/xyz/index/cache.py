"""Where the index of some files lies, whether it is still theirs, and one structure of it."""

import hashlib
import json
import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fa_pyg.files.lock import Lock, locked
from fa_pyg.io.xyz.blocks import Block, Text, cut, split_lines
from fa_pyg.io.xyz.errors import XYZError
from fa_pyg.io.xyz.index.build import Builder, processes
from fa_pyg.io.xyz.index.decompressed import as_text
from fa_pyg.io.xyz.index.progress import CannotKeep, Progress
from fa_pyg.io.xyz.open import is_packed
from fa_pyg.io.xyz.parse import ReadOptions

VERSION = 2  # of what the files hold
OPEN = 64  # files kept open at once


class Index:
    """The structures of some files, and where each is.

    Args:
        files: In the order of the structures.
        reading: How they are read; an index belongs to it.
        folder: Where the index is kept. It cannot be: in a temporary folder, with a warning.
        skip: Leave bad files out, and keep their `errors`.
        workers: Processes to build it; None is one for each core, if there is enough to read.
    """

    def __init__(
        self, files: list[Path], reading: ReadOptions, folder: Path, skip: bool, workers: int | None
    ) -> None:
        self.names, self.reading = list(map(os.fspath, files)), reading
        self._open: dict[int, int] = {}
        self._temporary = None
        try:
            self._open_in(folder, skip, workers)
        except CannotKeep as error:
            warnings.warn(f"{folder}: no index is kept ({error}); cache= names a folder", stacklevel=3)
            self._temporary = tempfile.TemporaryDirectory(prefix="fa_xyz")
            self._open_in_temporary(skip, workers)
        self.rows, self.errors = self._progress.rows(), self._progress.errors()

    def _open_in_temporary(self, skip: bool, workers: int | None) -> None:
        place = self._temporary.name
        try:
            self._open_in(Path(place), skip, workers)
        except CannotKeep as error:
            self._temporary.cleanup()
            raise OSError(f"{place}: expected a folder for a temporary index, found {error}") from error

    def _open_in(self, folder: Path, skip: bool, workers: int | None) -> None:
        """Takes the index that is there, or builds it."""
        place = folder / f".fa_xyz-{_digest(self._identity(folder, skip))}"
        with _locked(Path(f"{place}.lock")) as lock:
            base = Path(f"{place}-{_digest([_stamp(name) for name in self.names])}")
            #: Other files, other contents, or another reading have another key.
            self.key = base.name.removeprefix(".fa_xyz-")
            self._progress = Progress(base, lock)
            copies = self._progress.state.copies
            self._paths = [
                as_text(name, Path(f"{base}-{i}.text"), i, self._progress)
                for i, name in enumerate(self.names)
            ]
            self._stamps = [_stamp(path) for path in self._paths]
            if self._progress.state.copies is not copies:
                self._progress.save()
            if not self._progress.state.done:
                self._build(skip, workers)
                _remove_others(base)

    def __len__(self) -> int:
        return len(self.rows)

    def block(self, index: int) -> tuple[Text, Block]:
        """The lines of a structure."""
        file, offset, length, line, _ = self.rows[index].tolist()
        text = Text(self.names[file], split_lines(self.names[file], self._bytes(file, offset, length)), line)
        return text, next(cut(text, self.reading.comment, self.reading.limit))

    def counts(self) -> list[int]:
        """The number of structures of each file."""
        return np.bincount(self.rows[:, 0], minlength=len(self.names)).tolist()

    def source(self, index: int) -> str:
        file, _, _, line, _ = self.rows[index].tolist()
        return f"{self.names[file]}:{line + 1}"

    def _build(self, skip: bool, workers: int | None) -> None:
        whole = [path == name for path, name in zip(self._paths, self.names, strict=True)]
        sizes = [size for size, _ in self._stamps]
        sizes = [
            -1 if same and size >= 0 and is_packed(name) else size  # a broken stream
            for same, size, name in zip(whole, sizes, self.names, strict=True)
        ]
        reading = replace(self.reading, edges=None)
        count = processes(workers, sum(map(abs, sizes)))
        Builder(self._paths, self.names, sizes, reading, self._progress, skip, count).run()

    def _bytes(self, file: int, offset: int, length: int) -> bytes:
        descriptor = self._descriptor(file)
        status = os.fstat(descriptor)
        if (status.st_size, status.st_mtime_ns) != self._stamps[file]:
            raise XYZError(self.names[file], None, "a file that has changed", "the one that was indexed")
        return os.pread(descriptor, length, offset)  # has no place of its own: processes may share it

    def _descriptor(self, file: int) -> int:
        if file not in self._open:
            if len(self._open) == OPEN:
                os.close(self._open.pop(next(iter(self._open))))
            try:
                self._open[file] = os.open(self._paths[file], os.O_RDONLY)
            except OSError as error:
                found = f"an unreadable file ({error.strerror})"
                raise XYZError(self.names[file], None, found, "the one that was indexed") from error
        return self._open[file]

    def _identity(self, folder: Path, skip: bool) -> list[Any]:
        """What makes this index another than that of other files in this folder, or read otherwise."""
        paths = [os.path.relpath(name, folder) for name in self.names]
        return [VERSION, paths, self.reading.describe(), skip]

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_open": {}, "rows": None, "_temporary": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.rows = self._progress.rows()

    def __del__(self) -> None:
        for descriptor in self.__dict__.get("_open", {}).values():
            os.close(descriptor)


@contextmanager
def _locked(path: Path) -> Iterator[Lock]:
    with ExitStack() as stack:
        try:
            lock = stack.enter_context(locked(path))
        except TimeoutError:
            raise
        except OSError as error:
            raise CannotKeep(f"{path}: {error.strerror}") from error
        yield lock


def _remove_others(base: Path) -> None:
    """Removes what belongs to earlier versions of the files; who reads it still can go on."""
    for path in base.parent.glob(f"{base.name.rsplit('-', 1)[0]}-*"):
        is_old = not path.name.startswith(base.name) or path.suffix == ".tmp"
        if is_old and path.suffix in (".rows", ".json", ".text", ".tmp"):
            with suppress(OSError):  # a folder is not ours
                path.unlink(missing_ok=True)


def _stamp(path: str | os.PathLike) -> tuple[int, int]:
    try:
        status = os.stat(path)
    except OSError:
        return -1, 0
    return status.st_size, status.st_mtime_ns


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]
