"""Times of the forward passes of several models, measured in turns."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

__all__ = ["forward_times", "median_ms", "median_ratio"]

WARM = 3  # rounds before those that count


@torch.no_grad()
def forward_times(
    modules: Mapping[str, Callable], batches: Sequence[Any], rounds: int
) -> dict[str, list[float]]:
    """Return the seconds of a forward pass of each model in each round.

    Every model runs once a round, in a new random order each time, so that whatever else the machine does
    slows all of them; ratios within a round vary less than times. Rounds take the batches in turn, since the
    number of frames depends on the data.
    """
    names, shuffle = list(modules), random.Random(0).shuffle
    times: dict[str, list[float]] = {name: [] for name in names}
    for number in range(WARM + rounds):
        shuffle(names)
        for name in names:
            begin = time.perf_counter()
            modules[name](batches[number % len(batches)])
            if number >= WARM:
                times[name].append(time.perf_counter() - begin)
    return times


def median_ms(times: list[float]) -> float:
    """Return the median in milliseconds."""
    return 1e3 * statistics.median(times)


def median_ratio(times: list[float], to: list[float]) -> float:
    """Return the median over rounds of the ratio of two times in the same round."""
    return statistics.median(a / b for a, b in zip(times, to, strict=True))
