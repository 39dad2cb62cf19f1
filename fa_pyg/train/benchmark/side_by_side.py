"""Execution of runs one by one or side by side, where an error does not end the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from multiprocessing import active_children, get_context
from subprocess import CalledProcessError
from typing import TypeVar

import torch

from fa_pyg.workers.parent import end_with_parent

__all__ = ["outcome", "outcomes"]

T = TypeVar("T")
R = TypeVar("R")


def outcomes(run: Callable[[T], R | str], tasks: Sequence[T], jobs: int = 1) -> Iterator[tuple[T, R | str]]:
    """Yield each task with its result, or an error as text.

    Args:
        run: does a task; see :func:`outcome`. Several jobs take a function that can be pickled.
        tasks: the tasks.
        jobs: tasks at once, each in its own process.
    """
    if jobs == 1 or len(tasks) < 2:
        yield from ((task, run(task)) for task in tasks)
        return
    others = set(active_children())
    pool = ProcessPoolExecutor(jobs, get_context("spawn"), end_with_parent)
    try:
        futures = {pool.submit(run, task): task for task in tasks}
        yield from ((futures[future], _result(future)) for future in as_completed(futures))
    except BaseException:  # an interruption: the runs end now, to be resumed later
        for process in set(active_children()) - others:
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def outcome(run: Callable[[T], R], task: T) -> R | str:
    """Do a task on one thread; return an error, which does not end the others, as text."""
    torch.set_num_threads(1)
    try:
        return run(task)
    except CalledProcessError as error:
        return f"expected a training to end well, found exit status {error.returncode}"
    except Exception as error:  # whatever a model can cause
        return _text(error)


def _result(future: Future[R]) -> R | str:
    try:
        return future.result()
    except Exception as error:  # a process that was killed
        return _text(error)


def _text(error: Exception) -> str:
    lines = str(error).splitlines() or [""]
    return lines[0] if isinstance(error, ValueError) else f"{type(error).__name__}: {lines[0]}"
