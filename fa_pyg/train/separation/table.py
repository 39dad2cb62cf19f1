"""Results of the graph separation benchmark as CSV, table and plot."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fa_pyg.files import write_atomically
from fa_pyg.plot import save_figure
from fa_pyg.train.plots import new_figure
from fa_pyg.train.separation.rows import MODELS, PARTS, Row

__all__ = ["plot", "summary", "table", "write"]

TITLES = {"graph8c": "GRAPH8c", "exp": "EXP", "exp_classify": "EXP-classify"}
NOTE = (
    "GRAPH8c and EXP: pairs that none of {} random initializations separates. Sound: the share of graphs "
    "that are not separated from a relabeled copy of themselves, by the same rule. EXP-classify: test "
    "accuracy, mean and standard deviation over {} seeds. In brackets: Puny et al. 2022, table 2."
)


def write(rows: Sequence[Row], found: Sequence[Mapping[str, Any]], out: Path, pairs: str = "EXP") -> None:
    """Write ``results.csv``, ``table.md`` and ``plot.png`` of the results so far, for these pairs."""
    lines = [summary(row, [one for one in found if one["row"] == row.name]) for row in rows]
    out.mkdir(parents=True, exist_ok=True)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    write_atomically(out / "results.csv", text.getvalue())
    write_atomically(out / "table.md", table(lines, pairs))
    plot(lines, out / "plot.png")


def summary(row: Row, found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return one row as columns; None for unknown values."""
    line: dict[str, Any] = {"name": row.name, "title": row.title}
    for part in PARTS[:2]:
        one = next((one for one in found if one["part"] == part), {})
        line[part], line[f"{part}_published"] = one.get("not_told_apart"), row.published.get(part)
        line[f"{part}_soundness"] = one.get("soundness")
        line[f"{part}_{MODELS}"] = one.get(MODELS)
    right = [one["test_accuracy"] for one in found if one["part"] == PARTS[2]]
    line["exp_classify"] = statistics.mean(right) if right else None
    line["exp_classify_std"] = statistics.stdev(right) if len(right) > 1 else None
    line["exp_classify_seeds"] = len(right)
    line["exp_classify_published"] = row.published.get(PARTS[2])
    line["seconds"] = round(sum(one["seconds"] for one in found), 1)
    return line


def table(lines: Sequence[Mapping[str, Any]], pairs: str = "EXP") -> str:
    """Return a markdown table, with published figures in brackets."""
    known = any(line[f"{part}_published"] is not None for line in lines for part in PARTS)
    of = " (published)" if known else ""
    head = f"| model | GRAPH8c{of} | sound | {pairs}{of} | sound | {pairs}-classify{of} |"
    rows = [head, "|---|---|---|---|---|---|"]
    for line in lines:
        cells = [line["title"]]
        for part in PARTS[:2]:
            cells += [_count(line[part], line[f"{part}_published"]), _percent(line[f"{part}_soundness"], 2)]
        cells.append(_accuracy(line))
        rows.append(f"| {' | '.join(cells)} |")
    models = {line[f"{part}_{MODELS}"] for line in lines for part in PARTS[:2]} - {None}
    seeds = {line["exp_classify_seeds"] for line in lines} - {0}
    note = NOTE.format(*(" or ".join(map(str, sorted(each))) or 0 for each in (models, seeds)))
    return "\n".join([*rows, "", note]) + "\n"


def plot(lines: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw counts, soundness and accuracy as bars, published figures as crosses."""
    figure = new_figure(13, 1.5 + 0.35 * len(lines))
    panels = figure.subplots(1, 5, sharey=True)
    columns = ("graph8c", "graph8c_soundness", "exp", "exp_soundness", "exp_classify")
    places = range(len(lines))
    for axes, column in zip(panels, columns, strict=True):
        is_count = column in PARTS[:2]
        scale = 1 if is_count else 100
        known = [
            (i, scale * line[column])
            for i, line in zip(places, lines, strict=True)
            if line[column] is not None
        ]
        if known:
            axes.barh(*zip(*known, strict=True), color="C0" if is_count else "C2", label="measured")
        printed = [(line.get(f"{column}_published"), i) for i, line in zip(places, lines, strict=True)]
        printed = [(value, i) for value, i in printed if value is not None]
        if printed:
            axes.plot(*zip(*printed, strict=True), "kx", label="published")
        if is_count:
            axes.set_xscale("symlog")
        what = "pairs not separated" if is_count else "sound, %" if "sound" in column else "test accuracy, %"
        axes.set(title=TITLES[column.removesuffix("_soundness")], xlabel=what)
    panels[0].set_yticks(places, [line["title"] for line in lines])
    panels[0].invert_yaxis()
    panels[0].legend(fontsize=7)
    save_figure(figure, path)


def _count(value: int | None, published: Any) -> str:
    return ("" if value is None else str(value)) + ("" if published is None else f" ({published})")


def _percent(share: float | None, digits: int = 1) -> str:
    return "" if share is None else f"{100 * share:.{digits}f} %"


def _accuracy(line: Mapping[str, Any]) -> str:
    value, spread, published = (line[f"exp_classify{k}"] for k in ("", "_std", "_published"))
    text = "" if value is None else f"{100 * value:.1f}"
    text += "" if spread is None else f" ± {100 * spread:.1f}"
    return (text + " %" if text else "") + ("" if published is None else f" ({published} %)")
