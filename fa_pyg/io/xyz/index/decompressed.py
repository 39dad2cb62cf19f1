"""Decompressed copies of XYZ files, which an index can point into."""

import os
import zlib
from collections.abc import Iterator
from pathlib import Path

from fa_pyg.files import atomic_write
from fa_pyg.files.checked_json import DamagedFile, is_regular_file
from fa_pyg.io.xyz.errors import XYZError
from fa_pyg.io.xyz.index.progress import CannotKeep, Progress
from fa_pyg.io.xyz.open import is_packed, open_bytes

END = 1 << 16  # bytes at either end of a copy that are checked
CHUNK = 1 << 20


def as_text(file: str, copy: Path, number: int, progress: Progress) -> str:
    """The file itself, or a decompressed copy that checks out; itself if it is broken, which is told later.

    Raises:
        CannotKeep: where the copy cannot be written.
    """
    try:
        if not is_packed(file):
            return file
        expected = progress.state.copies.get(str(number))
        if expected is None or _looks(copy) != expected:
            if expected is not None:
                DamagedFile(copy, "a copy that was changed or cut off").warn(stacklevel=7)
            _decompress(file, copy, progress)
            progress.keep_copy(number, _looks(copy))
            progress.save_now_and_then()
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
        raise CannotKeep(str(error)) from error


def _chunks(file: str) -> Iterator[bytes]:
    """The bytes of a compressed file; its errors are told apart from those of the copy."""
    with open_bytes(file) as source:
        while chunk := source.read(CHUNK):
            yield chunk


def _looks(copy: Path) -> list[int]:
    """Size, time of change and checksum of both ends; nothing for what is no file of ours."""
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
