"""Output to a pipe whose reader has gone: dropped, so that a command finishes, and exits by its result."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["closed_pipes_allowed"]


class _Stream:
    """A stream that writes to nowhere from the first write to a closed pipe on."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        self._try(lambda: self.stream.write(text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        self._try(self.stream.flush)

    def _try(self, call: Callable[[], object]) -> None:
        try:
            call()
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.stream.fileno())  # also for what is left in the buffer at the end
            os.close(nowhere)


@contextmanager
def closed_pipes_allowed() -> Iterator[None]:
    """Let what is run print into pipes that are closed early, as by ``head``, with no effect on it.

    A stream that is closed from the start is None, which ``print`` allows.
    """
    kept = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (one and _Stream(one) for one in kept)  # type: ignore[assignment]
    try:
        yield
    finally:
        for one in (sys.stdout, sys.stderr):
            if one is not None:
                one.flush()  # here, where a closed pipe can be told
        sys.stdout, sys.stderr = kept
