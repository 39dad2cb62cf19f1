"""File locks that name their holder, and that the system releases when the process ends."""

from __future__ import annotations

import errno
import json
import os
import socket
import stat
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path

__all__ = ["Lock", "locked", "locked_or"]

TELL = 5.0  # seconds after which a waiting process names the holder
PATIENCE = 600.0  # seconds without a sign of life of the holder after which waiting fails
OPEN = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
READ = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
MARK = "lock of fa_pyg"  # files without it are never written to
_held: dict[int, int] = {}  # descriptor: its process; forked processes must not hold it


class Lock:
    """A lock that is held. It can be pickled, for workers of the holder."""

    def __init__(self, path: Path) -> None:
        self.path, self._shown = path, time.monotonic()

    def show_life(self) -> None:
        """Show waiting processes that work goes on; at most once a second."""
        if time.monotonic() - self._shown >= 1:
            self._shown = time.monotonic()
            with suppress(OSError):
                os.utime(self.path, follow_symlinks=False)


@contextmanager
def locked(path: Path, patience: float | None = None) -> Iterator[Lock]:
    """Hold a lock, after waiting until no other process holds it (with a warning after some seconds).

    Args:
        path: the file.
        patience: seconds to wait for a holder that shows no sign of life; default :data:`PATIENCE`. With 0 a
            lock that is held is an error at once.

    Raises:
        OSError: where the file cannot be created, or is not a regular file; links are not followed.
        TimeoutError: naming file and holder, where the holder shows no sign of life for that long.

    Not guaranteed: a lock on systems without ``fcntl``, or on file systems without locks (with a warning).
    """
    descriptor = _acquired(path, patience)
    try:
        _sign(descriptor, {"pid": os.getpid(), "host": socket.gethostname(), "since": _now()})
        yield Lock(path)
    finally:
        if descriptor in _held:
            _sign(descriptor, {})
        _close(descriptor)


@contextmanager
def locked_or(path: Path, failure: Callable[[Path, OSError], Exception]) -> Iterator[Lock]:
    """Hold a lock like :func:`locked`, or raise another error for a file that cannot be created.

    Args:
        path: the file.
        failure: the error to raise, from the path and the :class:`OSError`.

    Raises:
        TimeoutError: as :func:`locked`.
    """
    with ExitStack() as stack:
        try:
            lock = stack.enter_context(locked(path))
        except TimeoutError:
            raise
        except OSError as error:
            raise failure(path, error) from error
        yield lock


def _acquired(path: Path, patience: float | None) -> int:
    while True:
        descriptor = _opened(path)
        try:
            _wait(descriptor, path, PATIENCE if patience is None else patience)
        except BaseException:
            _close(descriptor)
            raise
        if _is_at(descriptor, path):
            return descriptor
        _close(descriptor)  # the file was removed meanwhile


def _opened(path: Path) -> int:
    try:
        descriptor = os.open(path, OPEN, 0o666)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EROFS) or not os.path.lexists(path):
            raise
        descriptor = os.open(path, READ)  # a complete cache can be used in a read-only folder
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


def _wait(descriptor: int, path: Path, patience: float) -> None:
    begun = alive = time.monotonic()
    seen, warned = os.fstat(descriptor).st_mtime_ns, False
    while not _taken(descriptor, path):
        now, last = time.monotonic(), os.fstat(descriptor).st_mtime_ns
        if last != seen:
            seen, alive = last, now
        if now - alive >= patience:
            raise TimeoutError(
                f"{path}: expected the lock to be released, found it held by {_holder(descriptor)} without a "
                f"sign of life for {patience:g} s: end that process, then start again"
            )
        if not warned and now - begun > TELL:
            warned = True
            limit = f"while it shows signs of life, or for {patience:g} s"
            warnings.warn(f"{path}: waits for {_holder(descriptor)} ({limit})", stacklevel=5)
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
    """Write the holder to the file, unless it is not a lock of this package."""
    with suppress(OSError):
        content = os.pread(descriptor, 1000, 0)
        if os.fstat(descriptor).st_nlink == 1 and (not content or MARK.encode() in content):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps({"file": MARK, **holder}).encode() + b"\n", 0)


def _holder(descriptor: int) -> str:
    """Describe the holder of the lock."""
    try:
        found = json.loads(os.pread(descriptor, 1000, 0))
        pid, host, since = int(found["pid"]), str(found["host"]), str(found["since"])
    except (OSError, OverflowError, RecursionError, ValueError, TypeError, KeyError):
        pid, host, since = 0, "", ""
    if pid < 1 or not f"{host}{since}".isprintable():
        return "an unknown process"
    ended = host == socket.gethostname() and not _is_alive(pid)
    more = ", which has ended (a process that it started still holds the lock)" if ended else ""
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


def _release_in_child() -> None:
    """Close descriptors in a forked process, which would keep the locks of a killed parent."""
    for descriptor in _held:
        with suppress(OSError):
            os.close(descriptor)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_release_in_child)
