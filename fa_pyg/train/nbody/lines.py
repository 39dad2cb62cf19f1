"""Lines of the n-body table: the runs of each row, with what was measured and computed for them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

from fa_pyg.train.nbody.extrapolate import PowerLaw, extrapolation
from fa_pyg.train.nbody.record import Details, Record
from fa_pyg.train.nbody.rows import Recipe, Row
from fa_pyg.train.nbody.runs import Run

__all__ = ["Data", "Line", "lines_of", "with_details"]

Data = tuple[int, int, int]  # training systems, systems in validation and test each, particles
SIMILAR = 0.9  # runs of one mean have at least this share of the epochs of the longest


@dataclass(frozen=True)
class Line:
    """Line of the table: the runs of one row.

    Attributes:
        row: the row.
        recipe: of its configuration.
        runs: one of each seed, at least one, on the same data.
        details: of each run; None where they are missing.
        laws: extrapolation of each run to the epochs of the recipe; None where it would mean nothing.
        forward: median milliseconds of a forward pass; None if it was not measured.
        ratio: median ratio to EGNN's in the same round; None without it.
    """

    row: Row
    recipe: Recipe
    runs: tuple[Run, ...]
    details: tuple[Details | None, ...] = ()
    laws: tuple[PowerLaw | None, ...] = ()
    forward: float | None = None
    ratio: float | None = None

    @property
    def is_cut(self) -> bool:
        """Whether a run had fewer epochs than the recipe has."""
        return self.recipe.epochs > min(run.epochs for run in self.runs)

    @property
    def extrapolated(self) -> float | None:
        """Mean test MSE at the epochs of the recipe; None unless it means something for every run."""
        laws = [law for law in self.laws if law is not None]
        if not laws or len(laws) < len(self.laws):
            return None
        factors = [law.factor(self.recipe.epochs) for law in laws]
        return statistics.mean(run.test_mse * by for run, by in zip(self.runs, factors, strict=True))


def lines_of(rows: Sequence[Row], runs: Sequence[Run], data: Data) -> list[Line]:
    """Return the lines of rows, from their runs on some data with the present settings of the rows.

    The run of each seed is the one with the most epochs; those with less than 90 % of the epochs of the
    longest are left out. Nothing depends on any error.
    """
    runs = [run for run in runs if run.data == data]
    lines = []
    for row in rows:
        recipe = Recipe.read(row)
        of_row = [run for run in runs if (run.name, run.settings) == (row.name, recipe.digest)]
        longest = {run.seed: run for run in sorted(of_row, key=lambda run: run.epochs)}
        most = max((run.epochs for run in of_row), default=0)
        kept = [run for _, run in sorted(longest.items()) if run.epochs >= SIMILAR * most]
        lines += [Line(row, recipe, tuple(kept))] if kept else []
    return lines


def with_details(line: Line, record: Record) -> Line:
    """Add the details of the runs of a line, and what follows from them."""
    details = tuple(record.details(run) for run in line.runs)
    laws = tuple(_law(line, run, one) for run, one in zip(line.runs, details, strict=True))
    return replace(line, details=details, laws=laws)


def _law(line: Line, run: Run, details: Details | None) -> PowerLaw | None:
    if details is None or line.recipe.schedule is not None:
        return None
    return extrapolation(details.epochs, details.val, run.epochs, line.recipe.epochs)
