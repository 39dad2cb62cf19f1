"""Times of several functions in interleaved rounds: on a shared machine only ratios within a round hold."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable

import torch

Times = dict[str, list[float]]
SLICE = (
    0.02  # seconds: quick functions are called so long in a round, so that caches are as warm as in a loop
)


def interleaved(functions: dict[str, Callable[[], object]], seconds: float, least: int = 5) -> Times:
    """Calls every function in every round, in a new random order each time, for about ``seconds``.

    Returns:
        The seconds of a call of each function, round by round. One that fails is left out, with a line.
    """
    calls = {name: _warm(name, function) for name, function in functions.items()}
    order = [name for name, count in calls.items() if count]
    times: Times = {name: [] for name in order}
    shuffle = random.Random(0).shuffle
    end = time.perf_counter() + seconds
    while order and (time.perf_counter() < end or len(times[order[0]]) < least):
        shuffle(order)
        for name in order:
            times[name].append(_seconds(functions[name], calls[name]))
    return times


def ratio(times: Times, name: str, to: str) -> float:
    """The median over the rounds of the time of ``name`` over that of ``to`` in the same round."""
    return statistics.median(a / b for a, b in zip(times[name], times[to], strict=True))


def median_ms(times: Times, name: str) -> float:
    return 1e3 * statistics.median(times[name])


def _warm(name: str, function: Callable[[], object]) -> int:
    """How many calls of a function fill a slice; 0 if it fails."""
    try:
        function()
        return max(1, int(SLICE / _seconds(function, 2)))
    except Exception as error:  # peers fail in many ways; the rest of the table is still of use
        print(f"left out: {name} ({type(error).__name__}: {str(error).splitlines()[0]})", flush=True)
        return 0


def _seconds(function: Callable[[], object], calls: int) -> float:
    _wait()
    start = time.perf_counter()
    for _ in range(calls):
        function()
    _wait()
    return (time.perf_counter() - start) / calls


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
