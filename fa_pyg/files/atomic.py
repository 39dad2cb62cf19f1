"""Atomic file writes: readers see the old file or the new one, and no other file is changed."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import IO, Any, BinaryIO, Literal, TextIO, overload

__all__ = ["atomic_write", "check_folder", "check_target", "write_atomically"]

Path = str | os.PathLike[str]
LONGEST = 100  # bytes of the target's name in that of the temporary file; file systems allow 255 in all
NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


@overload
def atomic_write(
    path: Path, mode: Literal["w"] = "w", *, follow_links: bool = True
) -> AbstractContextManager[TextIO]: ...
@overload
def atomic_write(
    path: Path, mode: Literal["wb"], *, follow_links: bool = True
) -> AbstractContextManager[BinaryIO]: ...
@overload
def atomic_write(path: Path, mode: str, *, follow_links: bool = True) -> AbstractContextManager[IO[Any]]: ...
@contextmanager
def atomic_write(path: Path, mode: str = "w", *, follow_links: bool = True) -> Iterator[Any]:
    """Open a temporary file that replaces ``path`` when the block ends, and is removed when it raises.

    The temporary file lies in the folder of the target, has a unique name, and is created
    exclusively: existing files and links are neither opened nor removed. It is on disk before it is renamed.
    Permissions are those of the file that it replaces, or follow the umask.

    Args:
        path: the file to write.
        mode: ``"w"`` for text (UTF-8, lines end in a line feed everywhere) or ``"wb"`` for bytes.
        follow_links: where ``path`` is a symbolic link, write its target, as ``open`` does. With False,
            replace the link: for caches, whose files are never links.

    Raises:
        ValueError: where the target is a folder, a device, a pipe, a read-only file, or a circular link,
            and where its folder is missing or cannot be written to. Nothing is written then.

    Not guaranteed: that a killed process leaves no temporary file (``.<name>.<16 digits>.tmp``), or that
    hard links to the old file lead to the new one.
    """
    if mode not in ("w", "wb"):
        raise ValueError(f"mode: expected 'w' or 'wb', found {mode!r}")
    target = _target(os.fspath(path), follow_links)
    permissions = _permissions(target)
    temporary, descriptor = _created(path, target, permissions)
    try:
        if permissions is not None and hasattr(os, "fchmod"):
            os.fchmod(descriptor, permissions)  # the umask has cut them
        text = mode != "wb"
        with open(
            descriptor, mode, encoding="utf-8" if text else None, newline="\n" if text else None
        ) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def write_atomically(path: Path, content: str | bytes, *, follow_links: bool = True) -> None:
    """Write a file by :func:`atomic_write`: text in UTF-8, or bytes."""
    with atomic_write(path, "w" if isinstance(content, str) else "wb", follow_links=follow_links) as file:
        file.write(content)


def check_target(path: Path, *, follow_links: bool = True) -> None:
    """Refuse a file that :func:`atomic_write` would refuse, before the work whose result is to be written.

    Raises:
        ValueError: as :func:`atomic_write`.
    """
    folder = os.path.dirname(_target(os.fspath(path), follow_links))
    if not os.access(folder, os.W_OK):
        raise ValueError(f"{os.fspath(path)}: expected a folder that can be written to, found {folder}")


def check_folder(path: Path) -> None:
    """Refuse a folder that cannot be made or written to, before the work whose results it gets.

    Raises:
        ValueError: naming it, and what is in the way.
    """
    found = os.path.abspath(os.fspath(path))
    while not os.path.lexists(found):
        found = os.path.dirname(found)
    if not os.path.isdir(found) or not os.access(found, os.W_OK | os.X_OK):
        kind = "the file" if os.path.isfile(found) else "no access to" if os.path.isdir(found) else "a link,"
        raise ValueError(f"{os.fspath(path)}: expected a folder that can be written to, found {kind} {found}")


def _target(name: str, follow_links: bool) -> str:
    """Return the file to replace; raise ValueError where it cannot be replaced."""
    target = os.path.realpath(name) if follow_links else _in_real_folder(name)
    folder = os.path.dirname(target)
    if not os.path.isdir(folder):
        raise ValueError(f"{name}: expected a file in a folder that exists, found no folder {folder}")
    if found := _obstacle(name, target, follow_links):
        raise ValueError(f"{name}: expected a file that can be written, found {found}")
    return target


def _in_real_folder(name: str) -> str:
    folder, base = os.path.split(name)
    return os.path.join(os.path.realpath(folder or os.curdir), base)


def _obstacle(name: str, target: str, follow_links: bool) -> str | None:
    """Return what is in the way of a file."""
    if name.endswith(os.sep) or not name:
        return "a folder"
    try:  # of the name, not of the target: what /dev/stdout leads to has no path
        kind = os.stat(name, follow_symlinks=follow_links).st_mode
    except FileNotFoundError:
        return None
    except OSError as error:
        return f"a path that leads nowhere ({error.strerror})"
    if stat.S_ISDIR(kind):
        return "a folder"
    if not stat.S_ISREG(kind):
        return None if stat.S_ISLNK(kind) else "a device or a pipe"
    return "a read-only file" if follow_links and not os.access(target, os.W_OK) else None


def _created(path: Path, target: str, permissions: int | None) -> tuple[str, int]:
    """Return name and descriptor of a new file beside the target, never more widely readable than it."""
    folder, base = os.path.split(target)
    short = os.fsencode(base)[:LONGEST].decode(errors="ignore")
    temporary = os.path.join(folder, f".{short.lstrip('.')}.{secrets.token_hex(8)}.tmp")
    try:
        return temporary, os.open(temporary, NEW, 0o666 if permissions is None else permissions)
    except OSError as error:
        raise ValueError(
            f"{os.fspath(path)}: expected a folder that can be written to, found {folder} ({error.strerror})"
        ) from error


def _permissions(target: str) -> int | None:
    """Return the permissions of the file that is replaced, None where there is none."""
    with suppress(OSError):
        status = os.lstat(target)
        if stat.S_ISREG(status.st_mode):
            return stat.S_IMODE(status.st_mode) & 0o777
    return None
