"""Timing of several functions in interleaved rounds: on a shared machine only ratios within a round hold."""

from __future__ import annotations

import json
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import ratio_file
import torch

from fa_pyg.files import write_atomically

Times = dict[str, list[float]]
Clock = Callable[[], float]
SLICE = 0.02  # seconds of repeated calls of a quick function in each round, for caches as warm as in a loop


def interleaved(
    functions: dict[str, Callable[[], object]],
    seconds: float,
    least: int = 5,
    clock: Clock = time.perf_counter,
) -> Times:
    """Call every function in every round, in a new random order each time, for about ``seconds``.

    Args:
        functions: by name.
        seconds: of all rounds together.
        least: number of rounds.
        clock: ``time.process_time`` to count the time of this process alone, where others are running.

    Returns:
        The seconds per call of each function, round by round. A function that fails is left out and reported.
    """
    calls = {name: _warm(name, function, clock) for name, function in functions.items()}
    order = [name for name, count in calls.items() if count]
    times: Times = {name: [] for name in order}
    shuffle = random.Random(0).shuffle
    end = time.perf_counter() + seconds
    while order and (time.perf_counter() < end or len(times[order[0]]) < least):
        shuffle(order)
        for name in order:
            times[name].append(seconds_per_call(functions[name], calls[name], clock))
    return times


def ratio(times: Times, name: str, to: str) -> float:
    """The median over the rounds of the time of ``name`` over that of ``to`` in the same round."""
    return statistics.median(a / b for a, b in zip(times[name], times[to], strict=True))


def median_ms(times: Times, name: str) -> float:
    return 1e3 * statistics.median(times[name])


def record(path: str | Path | None, benchmark: str, size: str, times: Times, to: str) -> None:
    """Write the figures of a table to a JSON file; None does nothing.

    The file is described in :mod:`ratio_file`: ``ms`` is the median, ``ratio`` that to the row ``to``. Rows
    of the same benchmark and size are replaced, all others are kept.
    """
    if path is None:
        return
    path = Path(path)
    known = ratio_file.read_if_there(path)
    kept = [row for row in known if (row["benchmark"], row["size"]) != (benchmark, size)]
    found = [
        {
            "benchmark": benchmark,
            "size": size,
            "row": name,
            "ms": round(median_ms(times, name), 5),
            "ratio": float(f"{ratio(times, name, to):.6g}") if to in times else None,
        }
        for name in times
    ]
    write_atomically(path, json.dumps(kept + found, indent=1) + "\n")


def _warm(name: str, function: Callable[[], object], clock: Clock) -> int:
    """The number of calls of a function that fill a slice; 0 if it fails."""
    try:
        function()
        return max(1, int(SLICE / seconds_per_call(function, 2, clock)))
    except Exception as error:  # peers fail in many ways; the rest of the table is still useful
        print(
            f"left out: {name} ({type(error).__name__}: {(str(error).splitlines() or [''])[0]})", flush=True
        )
        return 0


def seconds_per_call(
    function: Callable[[], object], calls: int = 1, clock: Clock = time.perf_counter
) -> float:
    """The seconds of a call, after the device has finished."""
    _wait()
    start = clock()
    for _ in range(calls):
        function()
    _wait()
    return (clock() - start) / calls


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
