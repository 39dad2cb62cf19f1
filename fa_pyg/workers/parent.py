"""End a worker process with the process that started it, also where that one is killed.

Standard library only: scripts run this file without the package, which would load torch.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time

__all__ = ["end_by_kernel", "end_with_parent", "usable_cores"]

PERIOD = 0.5  # seconds between two looks at the parent
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None  # here: not between fork and exec
_SIGNAL_AT_PARENTS_DEATH = 1  # PR_SET_PDEATHSIG of Linux


def end_with_parent(parent: int | None = None, by_kernel: bool = True) -> None:
    """End this process soon after its parent ends.

    Args:
        parent: Process identifier of the parent, where available: it may have ended before this call.
        by_kernel: Let Linux kill this process at once, even inside a library that keeps Python from running.
            Linux does so at the end of the *thread* that started this process.

    Without ``by_kernel``, and on other systems, a thread checks the parent twice a second.
    """
    begun = os.getppid()
    if by_kernel:
        end_by_kernel()
    if os.getppid() != begun or (parent not in (None, begun) and _has_ended(parent)):  # in between
        os._exit(1)
    threading.Thread(target=_watch, args=(begun,), name="watches the parent", daemon=True).start()


def end_by_kernel() -> None:
    """Let Linux kill this process, or the program that it becomes, when the thread that started it ends."""
    if _LIBC is not None:
        _LIBC.prctl(_SIGNAL_AT_PARENTS_DEATH, signal.SIGKILL)


def _has_ended(parent: int) -> bool:
    """Return whether a process has ended, which may have started this one through another."""
    if sys.platform == "win32":  # a signal would end it
        return False
    try:
        os.kill(parent, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _watch(begun: int) -> None:
    started = multiprocessing.parent_process()  # None in a script; behind a fork server not the parent
    while os.getppid() == begun and (started is None or started.is_alive()):
        time.sleep(PERIOD)
    os._exit(1)


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
