"""Open files as bytes, decompressed where they are gzip, bzip2 or xz streams."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from fa_pyg.io.xyz.errors import XYZError

__all__ = ["ENDINGS", "is_packed", "open_bytes"]

#: By ending of the name: first bytes, and name of the compression.
_PACKED = {".gz": (b"\x1f\x8b", "gzip"), ".bz2": (b"BZh", "bzip2"), ".xz": (b"\xfd7zXZ\0", "xz")}
ENDINGS = tuple(_PACKED)
_BROKEN = (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError)


def is_packed(path: str | os.PathLike) -> bool:
    """Return whether a file is a gzip, bzip2 or xz stream, or is named as such."""
    with _plain(path) as stream:
        return _packing(os.fspath(path), stream) is not None


def _packing(file: str, stream: BinaryIO) -> str | None:
    head = stream.read(6)
    stream.seek(0)
    by_name = (kind for ending, (_, kind) in _PACKED.items() if file.lower().endswith(ending))
    by_head = (kind for mark, kind in _PACKED.values() if head.startswith(mark))
    return next(by_head, None) or next(by_name, None)


@contextmanager
def open_bytes(path: str | os.PathLike) -> Iterator[BinaryIO]:
    """Open the bytes of a file, decompressed where it is packed.

    Raises:
        XYZError: for reading errors, in the block too.
    """
    file = os.fspath(path)
    with _plain(path) as stream:
        kind = _packing(file, stream)
        try:
            yield _unpacked(stream, kind)
        except _BROKEN as error:
            raise XYZError(
                file, None, f"a broken {kind} stream ({error})", f"a whole {kind} stream"
            ) from error
        except OSError as error:
            raise _unreadable(file, error) from error


def _unpacked(stream: BinaryIO, kind: str | None) -> Any:
    if kind is None:
        return stream
    if kind == "gzip":
        return gzip.GzipFile(fileobj=stream)
    make = bz2.BZ2Decompressor if kind == "bzip2" else lzma.LZMADecompressor
    return io.BufferedReader(_Unpacked(stream, make))


class _Unpacked(io.RawIOBase):
    """The concatenated streams of a bzip2 or xz file.

    Where a second stream is broken, the standard library ends the file; this class raises an error.
    """

    def __init__(self, stream: BinaryIO, make: Callable[[], Any]) -> None:
        self._stream, self._make = stream, make
        self.seek(0)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = b""
        while not data:
            packed = self._next()
            if packed is None:
                return 0
            try:
                data = self._unpack.decompress(packed, len(buffer))
            except OSError as error:  # raised by bzip2
                raise EOFError(str(error)) from error
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _next(self) -> bytes | None:
        """Return bytes to decompress, with a new decompressor after the end of a stream; None at the end."""
        if self._unpack.eof:
            rest = self._unpack.unused_data
            while not (rest := rest.lstrip(b"\0")):  # xz may be padded
                if not (rest := self._stream.read(io.DEFAULT_BUFFER_SIZE)):
                    return None
            self._unpack = self._make()
            return rest
        if not self._unpack.needs_input:
            return b""
        if packed := self._stream.read(io.DEFAULT_BUFFER_SIZE):
            return packed
        raise EOFError("it ends too early")

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to an offset from the beginning, the only kind that the buffer around it uses."""
        self._stream.seek(0)
        self._unpack, self._at = self._make(), 0
        while self._at < offset and self.readinto(bytearray(min(offset - self._at, 1 << 16))):
            pass
        return self._at

    def tell(self) -> int:
        return self._at


def _plain(path: str | os.PathLike) -> BinaryIO:
    file = os.fspath(path)
    if not Path(path).is_file():  # also excludes pipes and devices, which may never end
        found = "a directory" if Path(path).is_dir() else "no such file"
        raise XYZError(file, None, found, "an XYZ file")
    try:
        return open(path, "rb")
    except OSError as error:
        raise _unreadable(file, error) from error


def _unreadable(file: str, error: OSError) -> XYZError:
    return XYZError(file, None, f"an unreadable file ({error.strerror})", "an XYZ file")
