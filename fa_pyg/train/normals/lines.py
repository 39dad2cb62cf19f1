"""Lines of the tables: the runs of each row, by regime of the training and condition of the test."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from fa_pyg.train.normals.rows import Row
from fa_pyg.train.normals.runs import Data, Run

__all__ = ["Line", "lines_of"]

SIMILAR = 0.9  # runs of one mean have at least this share of the epochs of the longest


@dataclass(frozen=True)
class Line:
    """Line of the tables: the runs of one row on the same data.

    Attributes:
        row: the row.
        runs: by (regime of training, condition), one of each seed.
        wanted: epochs of the configuration.
        forward: median milliseconds of a forward pass; None if it was not measured.
        ratio: median ratio to that of the backbone in the same round; None without it.
        symmetric: equivariance error on symmetric parts in degrees, by name; empty if not measured.
    """

    row: Row
    runs: dict[tuple[str, str], tuple[Run, ...]]
    wanted: int
    forward: float | None = None
    ratio: float | None = None
    symmetric: Mapping[str, float] = field(default_factory=dict)

    @property
    def regimes(self) -> list[str]:
        """Regimes of the trainings."""
        return list(dict.fromkeys(regime for regime, _ in self.runs))

    def trainings(self) -> Iterator[Run]:
        """Yield one run of each training."""
        seen = {run.training: run for runs in self.runs.values() for run in runs}
        return iter(seen.values())

    def values(self, name: str, regime: str, condition: str) -> list[float]:
        """Return a figure of each seed."""
        return [getattr(run, name) for run in self.runs.get((regime, condition), ())]

    def mean(self, name: str, regime: str, condition: str) -> float | None:
        """Return the mean of a figure over seeds, None without runs."""
        found = self.values(name, regime, condition)
        return statistics.mean(found) if found else None


def lines_of(
    rows: Sequence[Row], runs: Sequence[Run], data: Data, recipe: Callable[[Row], tuple[int, str]]
) -> list[Line]:
    """Return the lines of rows, from their runs on some data with the present settings of the rows.

    The run of each seed is the one with the most epochs; those with less than 90 % of the epochs of the
    longest of their regime are left out. Nothing depends on any error.

    Args:
        rows: in the order of the table.
        runs: any.
        data: of the runs to take.
        recipe: returns epochs and digest of a row on this data.
    """
    lines = []
    for row in rows:
        wanted, digest = recipe(row)
        found: dict[tuple[str, str], dict[int, Run]] = {}
        for run in sorted(runs, key=lambda run: (run.seed, run.epochs)):
            if (run.name, run.settings, run.data) == (row.name, digest, data):
                found.setdefault((run.regime, run.condition), {})[run.seed] = run
        kept = {key: _similar(list(one.values())) for key, one in found.items()}
        lines += [Line(row, kept, wanted)] if kept else []
    return lines


def _similar(runs: list[Run]) -> tuple[Run, ...]:
    most = max(run.epochs for run in runs)
    return tuple(run for run in runs if run.epochs >= SIMILAR * most)
