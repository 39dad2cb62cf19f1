"""Report of the benchmark on point clouds: all recorded runs as tables, curves and pictures."""

from __future__ import annotations

import json
import os
import textwrap
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from fa_pyg.files import write_atomically
from fa_pyg.plot import save_figure
from fa_pyg.train.benchmark.pages import check_page, replace_part
from fa_pyg.train.benchmark.recipes import Recipe
from fa_pyg.train.benchmark.timing import forward_times, median_ms, median_ratio
from fa_pyg.train.fit import FitModule
from fa_pyg.train.normals.benchmark import Benchmark, build
from fa_pyg.train.normals.lines import Line, lines_of
from fa_pyg.train.normals.pictures import plot_clouds, plot_curves
from fa_pyg.train.normals.rows import Row, resized
from fa_pyg.train.normals.runs import Data
from fa_pyg.train.normals.symmetric import symmetric_errors
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
        known = self._measured()
        found = {}
        for data in sorted(kinds, key=lambda data: data != self.benchmark.data):
            lines = lines_of(self.rows, runs, data, lambda row, data=data: self._recipe(row, data))
            lines = [replace(one, **known.get(_label(data), {}).get(one.row.name, {})) for one in lines]
            found |= {data: lines} if lines else {}
        return found

    def write(self, pictures: bool = True) -> str:
        """Write ``table.md`` and the pictures of its first section, and return the tables."""
        sections = self.sections()
        text = _text(sections)
        if sections:
            write_atomically(self.out / "table.md", text)
        if sections and pictures:
            self._draw(*next(iter(sections.items())), self.out)
        return text

    def measure(self, rounds: int) -> None:
        """Measure forward passes and errors on symmetric parts; keep them for this and later tables.

        Args:
            rounds: of forward passes of all rows with runs on the data of the benchmark.
        """
        data = self.benchmark.data
        lines = self.sections().get(data)
        if lines:
            found = self._times(lines, data, rounds)
            for line in lines if data.task == "normals" else []:
                if (module := self._trained(line)) is not None:
                    found[line.row.name]["symmetric"] = symmetric_errors(module, data.points)
            known = {**self._measured(), _label(data): found}
            write_atomically(self.out / "measured.json", json.dumps(known, indent=1))

    def _measured(self) -> dict[str, dict[str, dict]]:
        """Return what was measured of each row, by data and row."""
        return read_result(self.out / "measured.json") or {}

    def _times(self, lines: Sequence[Line], data: Data, rounds: int) -> dict[str, dict]:
        """Return the milliseconds of a cloud, and the ratio to the backbone's or None, of each row."""
        rows = {line.row.name: line.row for line in lines}
        rows |= {row.name: row for row in self.rows if row.name in {one.backbone for one in rows.values()}}
        modules = {name: build(self._settings(row, data), data.task, row.file) for name, row in rows.items()}
        clouds = self._some(TIMED)
        times = forward_times(modules, [clouds.batch()], rounds)
        to = {name: row.backbone if row.backbone in times else None for name, row in rows.items()}
        return {
            name: {
                "forward": median_ms(one) / len(clouds),
                "ratio": None if other is None else median_ratio(one, times[other]),
            }
            for (name, one), other in ((item, to[item[0]]) for item in times.items())
        }

    def _some(self, count: int) -> Clouds:
        """Return upright test clouds, spread over the split."""
        clouds = self.benchmark.clouds().fixed("test")
        return clouds.select(torch.arange(count) * len(clouds) // count)

    def write_docs(self, page: Path, images: Path) -> None:
        """Write the tables of the task into a page, and the pictures of its first section into a folder.

        Raises:
            ValueError: before any writing, without runs, and for a page without its marker.
        """
        task = self.benchmark.task
        check_page(page, f"{task} table")
        sections = {data: lines for data, lines in self.sections().items() if data.task == task}
        if not sections:
            raise ValueError(f"--write-docs: expected runs of {task}, found none")
        images.mkdir(parents=True, exist_ok=True)
        names = self._draw(*next(iter(sections.items())), images, f"{task}_")
        path = Path(os.path.relpath(images, page.parent)).as_posix()
        drawn = [f"![{name}]({path}/{name})" for name in names]
        replace_part(page, f"{task} table", "\n\n".join([_text(sections), *drawn]))

    def _draw(self, data: Data, lines: Sequence[Line], folder: Path, prefix: str = "") -> list[str]:
        """Write the pictures of these lines; return the names of the files."""
        figures = {"curves": plot_curves(self._curves(lines))}
        modules = {line.row.title: self._trained(line) for line in lines}
        modules = {title: one for title, one in modules.items() if one is not None}
        if modules and data.task == "normals" and data == self.benchmark.data:
            clouds = self._some(DRAWN)
            figures["clouds"] = plot_clouds(modules, clouds)
            _write_view(modules, clouds, self.out / "clouds.html")
        for name, figure in figures.items():
            save_figure(figure, folder / f"{prefix}{name}.png")
        return [f"{prefix}{name}.png" for name in figures]

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
        recipe = Recipe.of(self._settings(row, data), row.file)
        return recipe.epochs, recipe.digest

    def _settings(self, row: Row, data: Data) -> dict:
        classes = None if data.task == "normals" else self.benchmark.families
        return resized(row.file, data.width, data.k or None, classes)


def _write_view(modules: Mapping[str, FitModule], clouds: Clouds, path: Path) -> None:
    try:
        write_view(modules, clouds, path)
    except ImportError as error:
        warnings.warn(f"{path.name} is not written: {error}", stacklevel=2)


def _text(sections: Mapping[Data, Sequence[Line]]) -> str:
    return "\n".join(f"{_about(data)}\n\n{tables(lines, data)}" for data, lines in sections.items())


def _about(data: Data) -> str:
    k = data.k or "as published"
    return textwrap.fill(ABOUT.format(**{**vars(data), "task": data.task.capitalize(), "k": k}), WIDTH)


def _label(data: Data) -> str:
    return "_".join(map(str, vars(data).values()))
