"""Report of the benchmark on point clouds: all recorded runs as tables, curves and pictures."""

from __future__ import annotations

import json
import textwrap
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from fa_pyg.files import write_atomically
from fa_pyg.plot import save_figure
from fa_pyg.train.benchmark.recipes import Recipe
from fa_pyg.train.benchmark.timing import forward_times, median_ms, median_ratio
from fa_pyg.train.fit import FitModule
from fa_pyg.train.normals.benchmark import Benchmark, build
from fa_pyg.train.normals.lines import Line, lines_of
from fa_pyg.train.normals.pictures import plot_clouds, plot_curves
from fa_pyg.train.normals.rows import Row, resized
from fa_pyg.train.normals.runs import Data
from fa_pyg.train.normals.table import tables
from fa_pyg.train.normals.view import write_view
from fa_pyg.train.results import read_result
from fa_pyg.train.tasks.clouds import Clouds

__all__ = ["Report"]

WIDTH = 125  # of the lines of pages
TIMED = 8  # clouds of a timed batch
DRAWN = 3  # parts in the pictures
ABOUT = (
    "{task}, {splitting} splitting: {parts} parts in training, {evaluated} in the test, {points} points of "
    "each, {width:g} of the published widths, k = {k}. Figures are of the epoch of the lowest validation "
    "loss, mean ± standard deviation over seeds. Regimes of rotation: I none, z about the vertical axis, "
    "SO(3) any, O(3) with reflections; a/b: trained in a, tested in b."
)


class Report:
    """Tables and pictures of all runs in a record.

    Args:
        benchmark: with the record, and the folder to write to.
        rows: of the tables, in their order.
    """

    def __init__(self, benchmark: Benchmark, rows: Sequence[Row]) -> None:
        self.benchmark, self.rows, self.out = benchmark, list(rows), benchmark.out

    def sections(self) -> dict[Data, list[Line]]:
        """Return the lines of each kind of data that there are runs on, those of the benchmark first."""
        runs = self.benchmark.record.runs()
        kinds = dict.fromkeys(run.data for run in runs)
        times = read_result(self.out / "forward.json") or {}
        found = {}
        for data in sorted(kinds, key=lambda data: data != self.benchmark.data):
            lines = lines_of(self.rows, runs, data, lambda row, data=data: self._recipe(row, data))
            known = times.get(_label(data), {})
            lines = [replace(one, **_time(known.get(one.row.name))) for one in lines]
            found |= {data: lines} if lines else {}
        return found

    def write(self, pictures: bool = True) -> str:
        """Write ``table.md`` and the pictures of its first section, and return the tables."""
        sections = self.sections()
        text = "\n".join(f"{_about(data)}\n\n{tables(lines, data)}" for data, lines in sections.items())
        if sections:
            write_atomically(self.out / "table.md", text)
        if sections and pictures:
            self._draw(*next(iter(sections.items())))
        return text

    def time_forward(self, rounds: int) -> None:
        """Measure the forward passes of all rows with runs, and keep them for this and later tables."""
        known = read_result(self.out / "forward.json") or {}
        for data, lines in self.sections().items():
            if data == self.benchmark.data:
                known[_label(data)] = self._times(lines, data, rounds)
                write_atomically(self.out / "forward.json", json.dumps(known, indent=1))

    def _times(self, lines: Sequence[Line], data: Data, rounds: int) -> dict[str, list[float | None]]:
        """Return the milliseconds of a cloud, and the ratio to the backbone's or None, of each row."""
        rows = {line.row.name: line.row for line in lines}
        rows |= {row.name: row for row in self.rows if row.name in {one.backbone for one in rows.values()}}
        modules = {name: build(self._settings(row, data), data.task, row.path) for name, row in rows.items()}
        clouds = self._some(TIMED)
        times = forward_times(modules, clouds.batch(), rounds)
        to = {name: row.backbone if row.backbone in times else None for name, row in rows.items()}
        return {
            name: [median_ms(one) / len(clouds), median_ratio(one, times[to[name]]) if to[name] else None]
            for name, one in times.items()
        }

    def _some(self, count: int) -> Clouds:
        """Return upright test clouds, spread over the split."""
        clouds = self.benchmark.clouds().fixed("test")
        return clouds.select(torch.arange(count) * len(clouds) // count)

    def _draw(self, data: Data, lines: Sequence[Line]) -> None:
        save_figure(plot_curves(self._curves(lines)), self.out / "curves.png")
        if data.task != "normals" or data != self.benchmark.data:
            return
        modules = {line.row.title: self._trained(line) for line in lines}
        modules = {title: one for title, one in modules.items() if one is not None}
        if modules:
            clouds = self._some(DRAWN)
            save_figure(plot_clouds(modules, clouds), self.out / "clouds.png")
            _write_view(modules, clouds, self.out / "clouds.html")

    def _trained(self, line: Line) -> FitModule | None:
        """Return the model of the first training, upright if there is one, that is on this machine."""
        return self.benchmark.trained(line.row, next(line.trainings()).training)

    def _curves(self, lines: Sequence[Line]) -> dict[str, dict[str, list]]:
        found: dict[str, dict[str, list]] = {}
        for line in lines:
            for run in line.trainings():
                if curve := self.benchmark.record.curve(run.training):
                    minutes = run.cpu_seconds / 60 / max(1, run.epochs)
                    of_row = found.setdefault(line.row.title, {})
                    of_row.setdefault(run.regime, []).append((curve, minutes))
        return found

    def _recipe(self, row: Row, data: Data) -> tuple[int, str]:
        recipe = Recipe.of(self._settings(row, data), row.path)
        return recipe.epochs, recipe.digest

    def _settings(self, row: Row, data: Data) -> dict:
        classes = None if data.task == "normals" else self.benchmark.families
        return resized(row.path, data.width, data.k or None, classes)


def _write_view(modules: Mapping[str, FitModule], clouds: Clouds, path: Path) -> None:
    try:
        write_view(modules, clouds, path)
    except ImportError as error:
        warnings.warn(f"{path.name} is not written: {error}", stacklevel=2)


def _about(data: Data) -> str:
    k = data.k or "as published"
    return textwrap.fill(ABOUT.format(**{**vars(data), "task": data.task.capitalize(), "k": k}), WIDTH)


def _label(data: Data) -> str:
    return "_".join(map(str, vars(data).values()))


def _time(found: list | None) -> dict[str, float | None]:
    return {} if not found else {"forward": found[0], "ratio": found[1]}
