"""A lock on a file, which says who holds it; the system ends it with its process, however that ends."""

from __future__ import annotations

import errno
import json
import os
import socket
import stat
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

TELL = 5.0  # seconds after which a process that waits says for whom
PATIENCE = 600.0  # seconds without a sign of life from the holder after which it gives up
OPEN = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
MARK = "lock of fa_pyg"  # in a file without it nothing is written: it is not ours
_held: dict[int, int] = {}  # descriptor: its process; those that are forked must not hold it


class Lock:
    """A lock that is held; can be pickled, for the workers of the holder."""

    def __init__(self, path: Path) -> None:
        self.path, self._shown = path, time.monotonic()

    def show_life(self) -> None:
        """Tells those that wait that work goes on; cheap."""
        if time.monotonic() - self._shown >= 1:
            self._shown = time.monotonic()
            with suppress(OSError):
                os.utime(self.path, follow_symlinks=False)


@contextmanager
def locked(path: Path) -> Iterator[Lock]:
    """Waits until no other process holds the lock, says so after some seconds, and holds it.

    Raises:
        OSError: where there is no such file and none can be made, or it is no file; links are not followed.
        TimeoutError: naming file and holder, where the holder gives no sign of life for :data:`PATIENCE`
            seconds.

    Not guaranteed: a lock where the system has none (`fcntl`), or the file system (with a warning).
    """
    descriptor = _acquired(path)
    try:
        _sign(descriptor, {"pid": os.getpid(), "host": socket.gethostname(), "since": _now()})
        yield Lock(path)
    finally:
        if descriptor in _held:
            _sign(descriptor, {})
        _close(descriptor)


def _acquired(path: Path) -> int:
    while True:
        descriptor = _opened(path)
        try:
            _wait(descriptor, path)
        except BaseException:
            _close(descriptor)
            raise
        if _is_at(descriptor, path):
            return descriptor
        _close(descriptor)  # somebody has removed the file


def _opened(path: Path) -> int:
    try:
        descriptor = os.open(path, OPEN, 0o666)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EROFS) or not os.path.lexists(path):
            raise
        descriptor = os.open(path, READ)  # in a folder of others a cache that is complete can be used
    _held[descriptor] = os.getpid()
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        _close(descriptor)
        raise OSError(errno.EINVAL, "not a file", os.fspath(path))
    return descriptor


def _close(descriptor: int) -> None:
    if _held.pop(descriptor, None) == os.getpid():  # not in a copy of this process
        os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False


def _wait(descriptor: int, path: Path) -> None:
    begun = alive = time.monotonic()
    seen, told = os.fstat(descriptor).st_mtime_ns, False
    while not _taken(descriptor, path):
        now, last = time.monotonic(), os.fstat(descriptor).st_mtime_ns
        if last != seen:
            seen, alive = last, now
        if now - alive > PATIENCE:
            raise TimeoutError(
                f"{path}: found a lock held by {_holder(descriptor)}, without a sign of life for "
                f"{PATIENCE:g} s, expected it to be released: end that process, then start again"
            )
        if not told and now - begun > TELL:
            told = True
            patience = f"while there are signs of life, or for {PATIENCE:g} s"
            warnings.warn(f"{path}: waits for {_holder(descriptor)} ({patience})", stacklevel=5)
        time.sleep(0.1)


def _taken(descriptor: int, path: Path) -> bool:
    try:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ImportError:
        return True
    except BlockingIOError:
        return False
    except OSError as error:
        warnings.warn(
            f"{path}: cannot be locked ({error.strerror}); start one process at a time", stacklevel=6
        )
    return True


def _sign(descriptor: int, holder: dict[str, object]) -> None:
    """Says in the file who holds the lock, unless the file is somebody else's."""
    with suppress(OSError):
        content = os.pread(descriptor, 1000, 0)
        if os.fstat(descriptor).st_nlink == 1 and (not content or MARK.encode() in content):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps({"file": MARK, **holder}).encode() + b"\n", 0)


def _holder(descriptor: int) -> str:
    """Who holds the lock, in words."""
    try:
        found = json.loads(os.pread(descriptor, 1000, 0))
        pid, host, since = int(found["pid"]), str(found["host"]), str(found["since"])
    except (OSError, OverflowError, RecursionError, ValueError, TypeError, KeyError):
        pid, host, since = 0, "", ""
    if pid < 1 or not f"{host}{since}".isprintable():
        return "a process that has not said who it is"
    ended = host == socket.gethostname() and not _is_alive(pid)
    more = ", which has ended (what it has started still holds the lock)" if ended else ""
    return f"process {pid} on {host} since {since}{more}"


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")


def _let_go() -> None:
    """In a forked process: its copies of the descriptors would keep locks of a parent that was killed."""
    for descriptor in _held:
        with suppress(OSError):
            os.close(descriptor)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)
