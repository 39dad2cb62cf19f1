"""A worker process: JSON requests and answers, one a line, each within a time limit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from threading import Timer
from typing import Any

__all__ = ["Answer", "Worker"]

STARTING = 120.0  # seconds for the first line; imports from a cold disk are slow
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

Answer = dict[str, Any]
"""Answer of a worker process: one JSON object."""


class Worker:
    """A process that runs a script (see ``serve.py``): started at the first request, restarted after a loss.

    A forked copy neither talks to the process of its parent nor ends it: it starts another.

    Args:
        script: The file to run.
        seconds: Time limit of an answer; a process that exceeds it is killed.
        user: Who needs the worker, for error messages.
        needs: The packages that the script imports, and how to install them, for error messages.
    """

    def __init__(self, script: str | os.PathLike, seconds: float, user: str, needs: str) -> None:
        self.script, self.seconds, self.user, self.needs = Path(script), seconds, user, needs
        self.process: subprocess.Popen[str] | None = None
        self.owner, self.closed = os.getpid(), False
        self.versions: dict[str, str] = {}

    def start(self) -> None:
        """Start the process, unless it is running.

        Raises:
            ImportError: Where a package is missing.
            RuntimeError: Where the process does not start, or the worker was shut down.
        """
        if self.owner == os.getpid() and self.process is not None and self.process.poll() is None:
            return
        self.close()
        if self.closed:
            raise RuntimeError(f"{self.user}: expected no more requests, found one after the end")
        self.owner, self.process = os.getpid(), _start(self.script, self.seconds)
        answer = self._exchange("", STARTING)
        if "versions" in answer:
            self.versions = answer["versions"]
            return
        is_running = self.process is not None
        self.close()
        if is_running:
            raise ImportError(f"{self.user}: expected {self.needs}, found {answer['error']}")
        raise RuntimeError(f"{self.user}: expected a worker that starts, found {answer['error']}")

    def request(self, **request: Any) -> Iterator[Answer]:
        """Send a request and iterate over its answers.

        The last answer is ``{"error": ...}`` where something went wrong, with ``lost`` set where the process
        died. Stopping the iteration early ends the process: later answers must not pass for those to the next
        request.
        """
        self.start()
        answer = self._exchange(json.dumps(request) + "\n", self.seconds)
        try:
            while "end" not in answer:
                yield answer
                if self.process is None:
                    return
                answer = self._exchange("", self.seconds)
        except GeneratorExit:
            self.close()
            raise

    def kill(self) -> None:
        """End the process for good, from any thread: a thread that waits for an answer gets an error."""
        self.closed = True
        if (process := self.process) is not None:
            process.kill()

    def close(self) -> None:
        """End the process; the next request starts another."""
        process, self.process = self.process, None
        if process is not None and self.owner == os.getpid():
            process.kill()
            process.communicate()

    __del__ = close

    def _exchange(self, line: str, seconds: float) -> Answer:
        """Send a line and wait for one; the process is ended where none arrives."""
        process, late = self.process, threading.Event()
        if process is None:
            raise RuntimeError(f"{self.user}: expected a running process, found none")
        timer = Timer(seconds, lambda: (late.set(), process.kill()))
        timer.start()
        try:
            answer = _exchange_lines(process, line)
        except BaseException:  # interrupted: the answer would pass for that to the next request
            self.close()
            raise
        finally:
            timer.cancel()
            timer.join()
        if answer.endswith("\n") and not late.is_set():
            return json.loads(answer)
        self.close()
        if late.is_set():
            return {"error": f"no answer within {seconds:g} s"}
        return {"error": f"the process died ({_describe_exit(process.returncode)})", "lost": True}


def _start(script: Path, seconds: float) -> subprocess.Popen[str]:
    """Start a script that ends with this process (see ``parent.py``), in a new session.

    An interrupt from the keyboard is for this process: a worker lost to it would look like a failure. Linux
    would end the script with the thread that started it, so only the main thread asks for that.
    """
    by_kernel = threading.current_thread() is threading.main_thread()
    command = [sys.executable, str(script), str(seconds), str(os.getpid()), str(by_kernel)]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | ONE_THREAD,
        start_new_session=True,
    )


def _exchange_lines(process: subprocess.Popen[str], line: str) -> str:
    stdin, stdout = process.stdin, process.stdout
    if stdin is None or stdout is None:
        raise ValueError("process: expected one with pipes, found one without")
    try:
        stdin.write(line)
        stdin.flush()
        return stdout.readline()
    except OSError:
        return ""


def _describe_exit(code: int | None) -> str:
    return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
