"""Processes that answer requests (`worker.py`), and that are stopped when an answer does not come."""

from __future__ import annotations

import json
import os
import queue
import subprocess
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from fa_pyg.workers.exchange import exchange, start_script

SCRIPT = Path(__file__).with_name("worker.py")
STARTING = 120.0  # seconds for the first line; imports from a cold disk are slow
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")

Answer = dict[str, Any]


class Worker:
    """One process: started at the first request, and again after it was lost.

    Args:
        seconds: for each answer.
        user: who needs it, for error messages.
    """

    def __init__(self, seconds: float, user: str) -> None:
        self.seconds, self.user, self.closed = seconds, user, False
        self.process: subprocess.Popen | None = None
        self.versions: dict[str, str] = {}

    def ask(self, **request: Any) -> Iterator[Answer]:
        """The answers; the last is ``{"error": ...}`` where something went wrong, with ``lost`` set where
        the process died. Who does not take them all ends the process.
        """
        self.start()
        answer = self._exchange(json.dumps(request) + "\n", self.seconds)
        try:
            while "end" not in answer:
                yield answer
                if self.process is None:
                    return
                answer = self._exchange("", self.seconds)
        except GeneratorExit:  # what is left must not be taken for answers to the next request
            self.close()
            raise

    def start(self) -> None:
        """Raises ImportError where a package is missing, RuntimeError where the process does not start."""
        if self.process is not None and self.process.poll() is None:
            return
        self.close()
        if self.closed:
            raise RuntimeError(f"{self.user}: no more requests are taken")
        # A session of its own: an interrupt is for us; a lost worker would look like a failure.
        self.process = start_script(SCRIPT, self.seconds, env=os.environ | ONE_THREAD, start_new_session=True)
        answer = self._exchange("", STARTING)
        if "versions" in answer:
            self.versions = answer["versions"]
            return
        alive = self.process is not None
        self.close()
        if alive:
            raise ImportError(f"{self.user} needs tblite, RDKit and ASE ({answer['error']}): {INSTALL}")
        raise RuntimeError(f"{self.user}: a worker did not start: {answer['error']}")

    def _exchange(self, line: str, seconds: float) -> Answer:
        """Sends a line and waits for one. Where none comes, the process is gone."""
        process = self.process
        answer, late = exchange(process, line, seconds, self.close)
        if answer and not late:
            return json.loads(answer)
        if late:
            return {"error": f"no answer within {seconds:g} s"}
        return {"error": f"the process died ({ended(process.returncode)})", "lost": True}

    def close(self) -> None:
        """Ends the process."""
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            process.communicate()


INSTALL = "install them with pip install 'fa_pyg[chem]' (tblite elsewhere than on Linux: from conda-forge)"


def ended(code: int | None) -> str:
    return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"


class Workers:
    """Several processes at work together; a context manager.

    Args:
        count: how many; None: one for each core that this process may use.
        seconds, user: see :class:`Worker`.
    """

    def __init__(self, count: int | None, seconds: float, user: str) -> None:
        self.all = [Worker(seconds, user) for _ in range(count or cores())]
        self.idle: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        for worker in self.all:
            self.idle.put(worker)
        self.threads = ThreadPoolExecutor(len(self.all))

    def versions(self) -> dict[str, str]:
        """Of the packages that compute."""
        self.all[0].start()
        return self.all[0].versions

    def run(self, requests: Iterable[Answer]) -> Iterator[tuple[int, list[Answer]]]:
        """The number and the answers of each request, begun in their order, given as they are done."""
        begun = {self.threads.submit(self._answers, request): i for i, request in enumerate(requests)}
        for done in as_completed(begun):
            yield begun[done], done.result()

    def _answers(self, request: Answer) -> list[Answer]:
        """A request that lost its process is asked again once: something else may have ended it."""
        worker = self.idle.get()
        try:
            answers = list(worker.ask(**request))
            if answers and answers[-1].get("lost"):
                answers = list(worker.ask(**request))
            return answers
        finally:
            self.idle.put(worker)

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.all:
            worker.closed = True
            if (process := worker.process) is not None:
                process.kill()  # its thread, which waits for an answer, goes on
        self.threads.shutdown(cancel_futures=True)
        for worker in self.all:
            worker.close()


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
