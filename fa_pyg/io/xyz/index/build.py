"""Build an index of large XYZ files once, by several processes, and resume it after an interruption."""

from __future__ import annotations

import itertools
import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch

from fa_pyg.io.xyz.index.progress import Progress
from fa_pyg.io.xyz.index.scan import Chain, Part, follow, join, raise_error_of
from fa_pyg.io.xyz.options import ReadOptions
from fa_pyg.workers.parent import end_with_parent, usable_cores

__all__ = ["Builder", "map_in_order", "num_processes"]

SPAN = 8 << 20  # bytes of a task
MANY = 500  # small files of a task, at most


@dataclass
class Builder:
    """Scan files in order, from ``progress.state`` on.

    Args:
        paths, sizes: The files, as plain text, and their sizes; -1 where unknown.
        names: Their names in errors.
        skip: Leave bad files out, with their errors, rather than raise.
        workers: Processes; 0 scans in this one.
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
        """Scan what is left."""
        state = self.progress.state
        if state.offset and state.offset >= self.sizes[state.file]:
            self.progress.next_file()
        groups = _groups(self._parts(), self.span)
        tasks = ((group, [part for _, part in group]) for group in groups)
        for group, chains in map_in_order(_follow_all, tasks, self.reading, self.workers):
            for (file, part), chain in zip(group, chains, strict=True):
                if file == self.progress.state.file:  # otherwise the file was left out
                    self._add(file, part, chain)
            self.progress.save_sometimes()
        self.progress.finish()

    def _add(self, file: int, part: Part, guess: Chain) -> None:
        """Add a chain, or the correct part of a guessed one, or scan again from the correct place."""
        state, chain = self.progress.state, guess
        if part.line is None:
            chain = join(guess, state.offset, state.line)
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
                offset, line = self.progress.last
                raise_error_of(part.path, self.names[file], offset, line, self.reading)
            except ValueError as error:
                if not self.skip:
                    raise
                self.progress.leave_out(error)

    def _parts(self) -> Iterator[tuple[int, Part]]:
        """Yield the parts that are left to scan."""
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
    """Group parts into tasks of about one span."""
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


def map_in_order(
    function: Callable, tasks: Iterable[tuple], context: object, workers: int
) -> Iterator[tuple]:
    """Yield key and result of each task (key, argument) in order, computed a few tasks ahead.

    Args:
        function: Called with the argument of a task and ``context``.
        tasks: Pairs of key and argument.
        workers: Processes; 0 computes in this one.
    """
    if not workers:
        yield from ((name, function(task, context)) for name, task in tasks)
        return
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context(), _begin_worker)
    waiting: deque[tuple[object, Future]] = deque()
    try:
        for name, task in tasks:
            waiting.append((name, pool.submit(function, task, context)))
            if len(waiting) > 2 * workers:
                name, future = waiting.popleft()
                yield name, future.result()
        while waiting:
            name, future = waiting.popleft()
            yield name, future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _begin_worker() -> None:
    """Prepare a worker, which must not outlive a killed parent."""
    torch.set_num_threads(1)
    end_with_parent()


def num_processes(workers: int | None, total: int) -> int:
    """Return the number of processes that scan ``total`` bytes: by default one per core for large files."""
    if workers is None:
        cores = usable_cores()
        workers = cores if cores > 1 and total > 4 * SPAN else 0
    if multiprocessing.current_process().daemon:  # a worker cannot start others
        return 0
    return workers
