"""XYZ files as bytes: opened, decompressed, and the error that says what is wrong with one."""

import gzip
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


class XYZError(ValueError):
    """A file that could not be read: `file`, `line` (from 1, None if there is none), `found`, `expected`."""

    def __init__(self, file: str, line: int | None = None, found: str = "", expected: str = "") -> None:
        super().__init__(file, line, found, expected)
        self.file, self.line, self.found, self.expected = file, line, found, expected

    def __str__(self) -> str:
        if not self.found:  # a data loader hands on the words of its workers' errors
            return self.file
        where = self.file if self.line is None else f"{self.file}, line {self.line}"
        return f"{where}: found {self.found}, expected {self.expected}"


def binary(file: str, line: int) -> XYZError:
    """What is said of a zero byte."""
    return XYZError(file, line, "binary data (a zero byte)", "text")


def is_gzip(path: str | os.PathLike) -> bool:
    """Whether a file is a gzip stream or is called `.gz`."""
    with _plain(path) as stream:
        return os.fspath(path).lower().endswith(".gz") or stream.read(2) == b"\x1f\x8b"


@contextmanager
def open_bytes(path: str | os.PathLike) -> Iterator[BinaryIO]:
    """The bytes of a file, decompressed where it is a gzip stream; reading errors become `XYZError`."""
    file = os.fspath(path)
    with _plain(path) as stream:
        zipped = file.lower().endswith(".gz") or stream.read(2) == b"\x1f\x8b"
        stream.seek(0)
        try:
            yield gzip.GzipFile(fileobj=stream) if zipped else stream
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise XYZError(file, None, f"a broken gzip stream ({error})", "a whole gzip stream") from error
        except OSError as error:
            raise _unreadable(file, error) from error


def _plain(path: str | os.PathLike) -> BinaryIO:
    file = os.fspath(path)
    if not Path(path).is_file():  # also keeps off pipes and devices, which may never end
        found = "a directory" if Path(path).is_dir() else "no such file"
        raise XYZError(file, None, found, "an XYZ file")
    try:
        return open(path, "rb")
    except OSError as error:
        raise _unreadable(file, error) from error


def _unreadable(file: str, error: OSError) -> XYZError:
    return XYZError(file, None, f"an unreadable file ({error.strerror})", "an XYZ file")
