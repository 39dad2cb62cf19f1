"""A script as a process of its own; a line to it, and one back, within a time."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from threading import Timer
from typing import Any


def start_script(script: Path, seconds: float, **options: Any) -> subprocess.Popen:
    """Starts a script that answers, and that ends with this process (see `parent.py`).

    Linux would end it with the thread that started it, so that only the main thread has it do so.
    """
    by_kernel = threading.current_thread() is threading.main_thread()
    command = [sys.executable, str(script), str(seconds), str(os.getpid()), str(by_kernel)]
    pipe, null = subprocess.PIPE, subprocess.DEVNULL
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=null, text=True, **options)


def exchange(
    process: subprocess.Popen, line: str, seconds: float, close: Callable[[], None]
) -> tuple[str, bool]:
    """Sends a line and waits for one; returns it, empty where none came whole, and whether it was late.

    Where none came in time the process is killed, and ``close`` is called; so it is when the wait is
    interrupted, or the answer would be taken for that of the next request.
    """
    late: list[bool] = []
    timer = Timer(seconds, lambda: (late.append(True), process.kill()))
    timer.start()
    try:
        process.stdin.write(line)
        process.stdin.flush()
        answer = process.stdout.readline()
    except OSError:
        answer = ""
    except BaseException:
        close()
        raise
    finally:
        timer.cancel()
        timer.join()
    if late or not answer.endswith("\n"):
        close()
    return answer if answer.endswith("\n") else "", bool(late)
