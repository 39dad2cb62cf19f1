"""Table of the n-body benchmark in markdown, from finished runs."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fa_pyg.train.nbody.record import Run
from fa_pyg.train.nbody.rows import CITED, KINDS, Recipe, Row

__all__ = ["Line", "lines_of", "note", "table"]

SIMILAR = 0.9  # runs of one mean have at least this share of the epochs of the longest


@dataclass(frozen=True)
class Line:
    """The runs of one row of the table.

    Attributes:
        row: the row.
        recipe: of its configuration.
        runs: one of each seed, at least one.
        forward: median milliseconds of a forward pass; None if it was not measured.
        ratio: of it to that of EGNN in the same round.
        extrapolated: test MSE at the epochs of the recipe; None where no fit is meaningful.
    """

    row: Row
    recipe: Recipe
    runs: tuple[Run, ...]
    forward: float | None = None
    ratio: float | None = None
    extrapolated: float | None = None

    @property
    def is_cut(self) -> bool:
        """Whether a run had fewer epochs than the recipe has."""
        return self.recipe.epochs > min(run.epochs for run in self.runs)


def lines_of(rows: Sequence[Row], runs: Sequence[Run]) -> list[Line]:
    """Return the lines of rows, from their runs of the present settings.

    The run of each seed is the one with the most epochs; those with less than 90 % of the epochs of the
    longest are left out. Nothing depends on any error.
    """
    lines = []
    for row in rows:
        recipe = Recipe.read(row)
        longest: dict[int, Run] = {}
        for run in runs:
            is_ours = (run.name, run.settings) == (row.name, recipe.digest)
            if is_ours and run.epochs >= getattr(longest.get(run.seed), "epochs", 0):
                longest[run.seed] = run
        most = max((run.epochs for run in longest.values()), default=0)
        kept = [run for _, run in sorted(longest.items()) if run.epochs >= SIMILAR * most]
        if kept:
            lines.append(Line(row, recipe, tuple(kept)))
    return lines


HEAD = {
    "model": "model",
    "mse": "test MSE",
    "seeds": "seeds",
    "published": "published",
    "forward": "forward, ms",
    "ratio": "to EGNN's",
    "parameters": "parameters",
    "epochs": "epochs",
    "minutes": "CPU min",
    "equivariance": "equivariance error",
    "median": "median system",
    "worst_1": "share of the worst 1 %",
    "worst_5": "5 %",
}
SHORT = ("model", "mse", "published", "ratio", "parameters", "equivariance")


def table(lines: Sequence[Line], columns: Sequence[str] = tuple(HEAD)) -> str:
    """Return a markdown table of these columns, grouped by the kind of the rows."""
    known = [column for column in columns if any(_cell(line, column) for line in lines)]
    text = [f"| {' | '.join(HEAD[column] for column in known)} |", "|---" * len(known) + "|"]
    for kind in KINDS:
        of_kind = [line for line in lines if line.row.kind == kind]
        if of_kind:
            text.append(f"| *{kind}* |{' |' * (len(known) - 1)}")
        text += [f"| {' | '.join(_cell(line, column) for column in known)} |" for line in of_kind]
    return "\n".join(text) + "\n"


def _cell(line: Line, column: str) -> str:
    runs, row = line.runs, line.row
    if column == "model":
        return row.title
    if column == "mse":
        return _mse(line)
    if column == "seeds":
        return "" if not runs[0].epochs else str(len(runs))
    if column == "published":
        is_benchmark = (runs[0].train_samples, runs[0].particles) == (3000, 5)
        return f"{row.published:.4f}" if row.published is not None and is_benchmark else ""
    if column == "forward":
        published = "" if row.forward is None else f" ({1e3 * row.forward:g})"
        return "" if line.forward is None else f"{line.forward:.1f}{published}"
    if column == "ratio":
        return "" if line.ratio is None else f"{line.ratio:.2f}"
    if column == "parameters":
        return str(runs[0].parameters)
    if column == "epochs":
        return _epochs(line)
    if column == "minutes":
        return f"{statistics.mean(run.cpu_seconds for run in runs) / 60:.1f}"
    if column == "equivariance":
        return f"{max(run.equivariance for run in runs):.0e}"
    if column == "median":
        return f"{statistics.mean(run.median_mse for run in runs):.1e}"
    return f"{100 * statistics.mean(getattr(run, column) for run in runs):.0f} %"


def _mse(line: Line) -> str:
    errors = [run.test_mse for run in line.runs if math.isfinite(run.test_mse)]
    text = f"{statistics.mean(errors):.5f}" if errors else ""
    text += f" ± {statistics.stdev(errors):.5f}" if len(errors) > 1 else ""
    if diverged := len(line.runs) - len(errors):
        text += f" ({diverged} of {len(line.runs)} diverged)"
    if line.extrapolated is not None:
        text += f" → {line.extrapolated:.4f} at {line.recipe.epochs} epochs (extrapolated)"
    return text.strip() + (" *" if line.is_cut else "")


def _epochs(line: Line) -> str:
    least, most = (pick(run.epochs for run in line.runs) for pick in (min, max))
    if not most:
        return "without learning"
    run = str(most) if least == most else f"{least}-{most}"
    return run if most == line.recipe.epochs else f"{run} of {line.recipe.epochs}"


def note(lines: Sequence[Line], rounds: Mapping[str, int] | None = None) -> str:
    """Return what the table means."""
    samples = lines[0].runs[0].train_samples
    cited = ", ".join(f"{name} {mse:.4f} ({source})" for name, n, mse, source in CITED if n == samples)
    return f"Lowest published elsewhere: {cited}." if cited else ""
