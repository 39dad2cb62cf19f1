"""Table of the n-body benchmark in markdown, from finished runs."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence

from fa_pyg.train.nbody.lines import Data, Line
from fa_pyg.train.nbody.rows import CITED, KINDS

__all__ = ["BENCHMARK", "SHORT", "notes", "table"]

BENCHMARK: Data = (3000, 2000, 5)  # of the published figures


def table(lines: Sequence[Line], columns: Sequence[str] | None = None) -> str:
    """Return a markdown table, grouped by the kind of the rows; columns without an entry are left out.

    Args:
        lines: at least one.
        columns: keys of :data:`COLUMNS`; default all.
    """
    cells = {name: [COLUMNS[name][1](line) for line in lines] for name in columns or COLUMNS}
    cells = {name: column for name, column in cells.items() if any(column)}
    text = [f"| {' | '.join(COLUMNS[name][0] for name in cells)} |", "|---" * len(cells) + "|"]
    rows = [f"| {' | '.join(row)} |" for row in zip(*cells.values(), strict=True)]
    for kind in KINDS:
        of_kind = [row for line, row in zip(lines, rows, strict=True) if line.row.kind == kind]
        text += [f"| *{kind}* {'| ' * len(cells)}".rstrip(), *of_kind] if of_kind else []
    return "\n".join(text) + "\n"


def _mse(line: Line) -> str:
    errors = [run.test_mse for run in line.runs if math.isfinite(run.test_mse)]
    text = f"{statistics.mean(errors):.5f}" if errors else ""
    text += f" ± {statistics.stdev(errors):.5f}" if len(errors) > 1 else ""
    if diverged := len(line.runs) - len(errors):
        text += f" ({diverged} of {len(line.runs)} diverged)"
    text = text.strip() + " \\*" * line.is_cut
    if line.extrapolated is not None:
        text += f" → {line.extrapolated:.4f} at {line.recipe.epochs} epochs (extrapolated)"
    return text


def _published(line: Line) -> str:
    known = line.row.published is not None and line.runs[0].data == BENCHMARK
    return f"{line.row.published:.4f}" if known else ""


def _seeds(line: Line) -> str:
    return str(len(line.runs)) if line.recipe.epochs else "none"


def _forward(line: Line) -> str:
    published = "" if line.row.forward is None else f" ({1e3 * line.row.forward:g})"
    return "" if line.forward is None else f"{line.forward:.3g}{published}"


def _ratio(line: Line) -> str:
    return "" if line.ratio is None else f"{line.ratio:.2f}"


def _epochs(line: Line) -> str:
    least, most = (pick(run.epochs for run in line.runs) for pick in (min, max))
    if not line.recipe.epochs:
        return "without learning"
    text = str(most) if least == most else f"{least} to {most}"
    return f"{text} of {line.recipe.epochs}" if line.is_cut else text


def _minutes(line: Line) -> str:
    return f"{_mean(line, 'cpu_seconds') / 60:.1f}"


def _equivariance(line: Line) -> str:
    return f"{max(run.equivariance for run in line.runs):.0e}"


def _mean(line: Line, name: str) -> float:
    return statistics.mean(getattr(run, name) for run in line.runs)


COLUMNS: dict[str, tuple[str, Callable[[Line], str]]] = {  # title, cell
    "model": ("model", lambda line: line.row.title),
    "mse": ("test MSE", _mse),
    "published": ("published", _published),
    "seeds": ("seeds", _seeds),
    "forward": ("forward, ms", _forward),
    "ratio": ("forward / EGNN's", _ratio),
    "parameters": ("parameters", lambda line: str(line.runs[0].parameters)),
    "epochs": ("epochs", _epochs),
    "minutes": ("CPU min", _minutes),
    "equivariance": ("equivariance error", _equivariance),
    "median": ("median system", lambda line: f"{_mean(line, 'median_mse'):.1e}"),
    "worst_1": ("share of the worst 1 %", lambda line: f"{100 * _mean(line, 'worst_1'):.0f} %"),
    "worst_5": ("of the worst 5 %", lambda line: f"{100 * _mean(line, 'worst_5'):.0f} %"),
}
SHORT = ("model", "mse", "published", "seeds", "ratio", "equivariance")

CUT = "\\* Fewer epochs than its configuration has, which for published baselines are the published ones."
LAW = (
    "Extrapolated: by a power law E(t) = E(T) (t / T)^-b, fitted to the validation errors of the second half "
    "of the run, up to T; only where the error still falls, where the same fit of the first half predicts "
    "the end of the run within 15 %, and to 4 T at most. It has no floor: rather too optimistic."
)


def notes(lines: Sequence[Line]) -> str:
    """Return the marks and sources of a table, as a paragraph."""
    data = lines[0].runs[0].data
    text = [CUT] if any(line.is_cut for line in lines) else []
    text += [LAW] if any(line.extrapolated is not None for line in lines) else []
    text += [_sources(lines)] if any(_published(line) for line in lines) else []
    text += _cited(data[0]) if data[1:] == BENCHMARK[1:] else []
    return " ".join(text)


def _cited(systems: int) -> list[str]:
    figures: dict[str, list[str]] = {}
    for name, trained, mse, source in CITED:
        if trained == systems:
            figures.setdefault(source, []).append(f"{name} {mse:.4f}")
    text = ", ".join(f"{', '.join(some)} ({source})" for source, some in figures.items())
    return [f"Lowest elsewhere: {text}."] if text else []


def _sources(lines: Sequence[Line]) -> str:
    titles: dict[str, list[str]] = {}
    for line in lines:
        if _published(line):
            titles.setdefault(line.row.source, []).append(line.row.title)
    most = max(titles, key=lambda source: len(titles[source]))
    others = [f"{', '.join(names)}: {source}" for source, names in titles.items() if source != most]
    return f"Published: {most}{''.join(f'; {other}' for other in others)}."
