"""An index of many large XYZ files: built once, by several processes, and kept on disk as far as it got."""

import itertools
import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch

from fa_pyg.io.xyz.index.progress import Progress
from fa_pyg.io.xyz.index.scan import Chain, Part, explain, follow, joined
from fa_pyg.io.xyz.parse import ReadOptions
from fa_pyg.workers.parent import end_with_parent

SPAN = 8 << 20  # bytes a worker reads before it reports
MANY = 500  # small files that it reads at once, at most


@dataclass
class Builder:
    """Goes through the files in order; what is behind `progress.state` is done and on disk.

    Args:
        paths, sizes: The files, as plain text, and their lengths; -1 where that is not known.
        names: What errors call them.
        skip: Leave bad files out, with their errors, rather than raise.
        workers: Processes; 0 does everything in this one.
    """

    paths: list[str]
    names: list[str]
    sizes: list[int]
    reading: ReadOptions
    progress: Progress
    skip: bool = False
    workers: int = 0
    span: int = SPAN

    def run(self) -> None:
        """Goes on from where it was left."""
        state = self.progress.state
        if state.offset and state.offset >= self.sizes[state.file]:
            self.progress.next_file()
        groups = _groups(self._parts(), self.span)
        tasks = ((group, [part for _, part in group]) for group in groups)
        for group, chains in in_order(_follow_all, tasks, self.reading, self.workers):
            for (file, part), chain in zip(group, chains, strict=True):
                if file == self.progress.state.file:  # otherwise the rest of a file that is left out
                    self._add(file, part, chain)
            self.progress.save_now_and_then()
        self.progress.finish()

    def _add(self, file: int, part: Part, guess: Chain) -> None:
        """Takes a chain as it is, or what of it is true, or follows the true one."""
        state, chain = self.progress.state, guess
        if part.line is None:
            chain = joined(guess, state.offset, state.line)
        if chain is None and state.offset < part.stop:
            chain = follow(Part(part.path, state.offset, part.stop, state.line), self.reading)
        if chain is not None:
            self._keep(file, part, chain)
        if part.stop == self.sizes[file] and self.progress.state.file == file:
            self.progress.next_file()

    def _keep(self, file: int, part: Part, chain: Chain) -> None:
        rows = np.column_stack([np.full(len(chain.found), file), chain.found])
        self.progress.add(rows, chain.offset, chain.line)
        if chain.failed:
            try:
                explain(part.path, self.names[file], *self.progress.last, self.reading)
            except ValueError as error:
                if not self.skip:
                    raise
                self.progress.leave_out(error)

    def _parts(self) -> Iterator[tuple[int, Part]]:
        """What is left to read."""
        state = self.progress.state
        for file in range(state.file, len(self.paths)):
            begin, line = (state.offset, state.line) if file == state.file else (0, 0)
            size = self.sizes[file]
            ends = [*range(begin + self.span, size, self.span), size]
            for start, stop in itertools.pairwise([begin, *ends]):
                yield file, Part(self.paths[file], start, stop, line if start == begin else None)


def _follow_all(parts: list[Part], reading: ReadOptions) -> list[Chain]:
    return [follow(part, reading) for part in parts]


def _groups(parts: Iterable[tuple[int, Part]], span: int) -> Iterator[list[tuple[int, Part]]]:
    """Parts put together to tasks of about one span."""
    group: list[tuple[int, Part]] = []
    total = 0
    for file, part in parts:
        group.append((file, part))
        total += max(part.stop - part.begin, 0)
        if total >= span or len(group) == MANY:
            yield group
            group, total = [], 0
    if group:
        yield group


def in_order(
    function: Callable, tasks: Iterable[tuple], reading: ReadOptions, workers: int
) -> Iterator[tuple]:
    """What a function makes of each task (what to call it, the argument), in order, a few tasks ahead."""
    if not workers:
        yield from ((name, function(task, reading)) for name, task in tasks)
        return
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context(), _begin_worker)
    waiting: deque[tuple[object, Future]] = deque()
    try:
        for name, task in tasks:
            waiting.append((name, pool.submit(function, task, reading)))
            if len(waiting) > 2 * workers:
                name, future = waiting.popleft()
                yield name, future.result()
        while waiting:
            name, future = waiting.popleft()
            yield name, future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _begin_worker() -> None:
    """A killed parent must not leave it behind, waiting for a task that never comes."""
    torch.set_num_threads(1)
    end_with_parent()


def processes(workers: int | None, total: int) -> int:
    """How many processes read `total` bytes: by default one a core, if it is worth their start."""
    if workers is None:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        workers = cores if cores > 1 and total > 4 * SPAN else 0
    if multiprocessing.current_process().daemon:  # a worker itself: it may have none
        return 0
    return workers
