"""An index on disk: found, checked or built, and read structure by structure."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import warnings
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fa_pyg.files.lock import locked_or
from fa_pyg.io.xyz.blocks import cut
from fa_pyg.io.xyz.errors import XYZError
from fa_pyg.io.xyz.index.build import Builder, num_processes
from fa_pyg.io.xyz.index.decompressed import plain_text_path
from fa_pyg.io.xyz.index.progress import CannotStore, Progress
from fa_pyg.io.xyz.lines import Block, LoadedText, Text, split_lines
from fa_pyg.io.xyz.open import is_packed
from fa_pyg.io.xyz.options import ReadOptions

__all__ = ["Index"]

VERSION = 2  # of the format
OPEN = 64  # files kept open at once


class Index:
    """The positions of all structures of some files.

    Args:
        files: The files, in order.
        reading: How they are read; an index is specific to it.
        folder: Where the index is stored; where that fails, in a temporary folder, with a warning.
        skip: Leave bad files out, and keep their ``errors``.
        workers: Processes to build it; None is one per core for large files.

    Raises:
        ValueError: what ``read_xyz`` raises, unless ``skip``.
        TimeoutError: where the process that builds the index shows no sign of life.
    """

    def __init__(
        self, files: list[Path], reading: ReadOptions, folder: Path, skip: bool, workers: int | None
    ) -> None:
        self.names, self.reading = list(map(os.fspath, files)), reading
        self._open: dict[int, int] = {}
        self._temporary = None
        try:
            self._open_in(folder, skip, workers)
        except CannotStore as error:
            warnings.warn(
                f"{folder}: the index cannot be stored ({error}); pass another cache=", stacklevel=3
            )
            self._temporary = tempfile.TemporaryDirectory(prefix="fa_xyz")
            self._open_in_temporary(self._temporary, skip, workers)
        self.rows, self.errors = self._progress.rows(), self._progress.errors()

    def _open_in_temporary(
        self, temporary: tempfile.TemporaryDirectory[str], skip: bool, workers: int | None
    ) -> None:
        place = temporary.name
        try:
            self._open_in(Path(place), skip, workers)
        except CannotStore as error:
            temporary.cleanup()
            raise OSError(f"{place}: expected a folder for a temporary index, found {error}") from error

    def _open_in(self, folder: Path, skip: bool, workers: int | None) -> None:
        """Load the stored index, or build it."""
        place = folder / f".fa_xyz-{_digest(self._identity(folder, skip))}"
        with locked_or(Path(f"{place}.lock"), _cannot_store) as lock:
            base = Path(f"{place}-{_digest([_stamp(name) for name in self.names])}")
            #: Identifies the files, their contents, and how they are read.
            self.key = base.name.removeprefix(".fa_xyz-")
            self._progress = Progress(base, lock)
            copies = self._progress.state.copies
            self._paths = [
                plain_text_path(name, Path(f"{base}-{i}.text"), i, self._progress)
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
        """Return the lines of a structure."""
        file, offset, length, line, _ = self.rows[index].tolist()
        text = LoadedText(
            self.names[file], split_lines(self.names[file], self._bytes(file, offset, length)), line
        )
        return text, next(cut(text, self.reading.comment, self.reading.limit))

    def counts(self) -> list[int]:
        """Return the number of structures of each file."""
        return np.bincount(self.rows[:, 0], minlength=len(self.names)).tolist()

    def source(self, index: int) -> str:
        """Return file and line of a structure."""
        file, _, _, line, _ = self.rows[index].tolist()
        return f"{self.names[file]}:{line + 1}"

    def _build(self, skip: bool, workers: int | None) -> None:
        whole = [path == name for path, name in zip(self._paths, self.names, strict=True)]
        sizes = [size for size, _ in self._stamps]
        sizes = [
            -1 if same and size >= 0 and is_packed(name) else size  # a broken packed stream
            for same, size, name in zip(whole, sizes, self.names, strict=True)
        ]
        reading = replace(self.reading, edges=None)
        count = num_processes(workers, sum(map(abs, sizes)))
        Builder(self._paths, self.names, sizes, reading, self._progress, skip, count).run()

    def _bytes(self, file: int, offset: int, length: int) -> bytes:
        descriptor = self._descriptor(file)
        status = os.fstat(descriptor)
        if (status.st_size, status.st_mtime_ns) != self._stamps[file]:
            raise XYZError(self.names[file], None, "a file that has changed", "the one that was indexed")
        return os.pread(
            descriptor, length, offset
        )  # without a file position: processes may share the descriptor

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
        """Return what distinguishes this index from others in the same folder."""
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


def _remove_others(base: Path) -> None:
    """Remove indices of earlier versions of the files; processes that read them may continue."""
    for path in base.parent.glob(f"{base.name.rsplit('-', 1)[0]}-*"):
        is_old = not path.name.startswith(base.name) or path.suffix == ".tmp"
        if is_old and path.suffix in (".rows", ".json", ".text", ".tmp"):
            with suppress(OSError):  # a folder is not of this package
                path.unlink(missing_ok=True)


def _stamp(path: str | os.PathLike) -> tuple[int, int]:
    try:
        status = os.stat(path)
    except OSError:
        return -1, 0
    return status.st_size, status.st_mtime_ns


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]


def _cannot_store(path: Path, error: OSError) -> CannotStore:
    return CannotStore(f"{path}: {error.strerror}")
