"""Decompressed copies of packed XYZ files, which an index can point into."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from pathlib import Path

from fa_pyg.files import atomic_write
from fa_pyg.files.checked_json import DamagedFile, is_regular_file
from fa_pyg.io.xyz.errors import XYZError
from fa_pyg.io.xyz.index.progress import CannotStore, Progress
from fa_pyg.io.xyz.open import is_packed, open_bytes

__all__ = ["plain_text_path"]

END = 1 << 16  # bytes at either end of a copy that are checked
CHUNK = 1 << 20


def plain_text_path(file: str, copy: Path, number: int, progress: Progress) -> str:
    """Return the path of a plain file, or of a decompressed copy; that of a broken file, which fails later.

    Raises:
        CannotStore: where the copy cannot be written.
    """
    try:
        if not is_packed(file):
            return file
        expected = progress.state.copies.get(str(number))
        if expected is None or _fingerprint(copy) != expected:
            if expected is not None:
                DamagedFile(copy, "a copy that was changed or cut off").warn(stacklevel=7)
            _decompress(file, copy, progress)
            progress.add_copy(number, _fingerprint(copy))
            progress.save_sometimes()
        return os.fspath(copy)
    except XYZError:
        return file


def _decompress(file: str, copy: Path, progress: Progress) -> None:
    try:
        with atomic_write(copy, "wb", follow_links=False) as stream:
            for chunk in _chunks(file):
                stream.write(chunk)
                progress.show_life()
    except XYZError:
        raise
    except (OSError, ValueError) as error:
        raise CannotStore(str(error)) from error


def _chunks(file: str) -> Iterator[bytes]:
    """Yield the bytes of a compressed file, whose errors differ in type from those of the copy."""
    with open_bytes(file) as source:
        while chunk := source.read(CHUNK):
            yield chunk


def _fingerprint(copy: Path) -> list[int]:
    """Return size, time of change and checksum of both ends; nothing for anything but a regular file."""
    try:
        if not is_regular_file(copy):
            return []
        with open(copy, "rb") as stream:
            status = os.fstat(stream.fileno())
            check = zlib.crc32(stream.read(END))
            stream.seek(max(0, status.st_size - END))
            return [status.st_size, status.st_mtime_ns, zlib.crc32(stream.read(), check)]
    except OSError:
        return []
