"""Several workers at work together (see :class:`fa_pyg.workers.Worker`)."""

from __future__ import annotations

import queue
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

from fa_pyg.workers.worker import Answer, Worker

__all__ = ["Workers"]


W = TypeVar("W", bound="Workers")


class Workers:
    """Several workers of one script as a context manager.

    Args:
        workers: the workers, not yet started.
    """

    def __init__(self, workers: Sequence[Worker]) -> None:
        self.all = list(workers)
        self.idle: queue.SimpleQueue[Worker] = queue.SimpleQueue()
        for worker in self.all:
            self.idle.put(worker)
        self.threads = ThreadPoolExecutor(len(self.all))

    def versions(self) -> dict[str, str]:
        """Return the versions of the packages that compute."""
        self.all[0].start()
        return self.all[0].versions

    def run(self, requests: Iterable[Answer]) -> Iterator[tuple[int, list[Answer]]]:
        """Yield the index and the answers of each request as it is done; requests begin in their order."""
        begun = {self.threads.submit(self._answers, request): i for i, request in enumerate(requests)}
        for done in as_completed(begun):
            yield begun[done], done.result()

    def _answers(self, request: Answer) -> list[Answer]:
        """Repeat a request that lost its process once: something else may have ended it."""
        worker = self.idle.get()
        try:
            answers = list(worker.request(**request))
            if answers and answers[-1].get("lost"):
                answers = list(worker.request(**request))
            return answers
        finally:
            self.idle.put(worker)

    def __enter__(self: W) -> W:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.all:
            worker.kill()
        self.threads.shutdown(cancel_futures=True)
        for worker in self.all:
            worker.close()
