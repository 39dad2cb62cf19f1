"""Report of the n-body benchmark: all recorded runs as tables and plots, also in pages."""

from __future__ import annotations

import json
import os
import textwrap
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch_geometric.data import Batch

from fa_pyg.files import write_atomically
from fa_pyg.plot import save_figure
from fa_pyg.train.benchmark.pages import check_page, replace_part
from fa_pyg.train.fit import FitModule
from fa_pyg.train.nbody.benchmark import Benchmark, build
from fa_pyg.train.nbody.evaluate import forward_times, median_ms, median_ratio
from fa_pyg.train.nbody.lines import Data, Line, lines_of, with_details
from fa_pyg.train.nbody.pictures import PICTURES
from fa_pyg.train.nbody.rows import Recipe, Row
from fa_pyg.train.nbody.runs import Run
from fa_pyg.train.nbody.table import BENCHMARK, SHORT, notes, table
from fa_pyg.train.nbody.times import read_times

__all__ = ["Report"]

MARKER = "nbody table"
WIDTH = 125  # of the lines of pages
ABOUT = (
    "{} training systems, {} in validation and in test, {} particles each. Test error (MSE) at the epoch of "
    "the lowest validation error, mean ± standard deviation over seeds."
)
FORWARD = (
    "Forward: batches of 100 test systems on one CPU thread, median of {} rounds in which every model runs "
    "once, in random order."
)
BRACKETS = "In brackets: published, on a GPU."
BATCHES = 20  # of test systems, which the rounds take in turn
SHORTLY = "\\* Cut short. Forward passes on one CPU thread; equivariance errors in float32."
EQUIVARIANCE = (
    "Equivariance error: largest deviation of f(gx) from g f(x) over random E(3) motions g, in float32, "
    "relative to the largest coordinate of each system. TFN and SE(3)-Transformer are equivariant to "
    "rotations and not to reflections; with the generator's limit of forces, only motions that map axes to "
    "axes remain."
)


class Report:
    """Tables and plots of all runs in a record.

    Args:
        benchmark: with the record, and the folder to write to.
        rows: of the tables, in their order.
    """

    def __init__(self, benchmark: Benchmark, rows: Sequence[Row]) -> None:
        self.benchmark, self.rows = benchmark, list(rows)
        self._kept = benchmark.out / "forward.json"
        self._known: dict | None = None  # its content, read once

    def sections(self) -> dict[Data, list[Line]]:
        """Return the lines of each kind of data that there are runs on, the benchmark's first."""
        record = self.benchmark.record
        runs = record.runs()
        kinds = sorted({run.data for run in runs}, key=lambda data: (data != BENCHMARK, data[2], data))
        found = {data: lines_of(self.rows, runs, data) for data in kinds}
        return {
            data: [with_details(self._with_time(line), record) for line in lines]
            for data, lines in found.items()
            if lines
        }

    def write(self, plots: bool = True) -> str:
        """Write ``table.md`` and the plots of its first section, and return the table.

        Args:
            plots: write them.

        Runs of other settings than those of their configuration are left out, with a warning.
        """
        _warn_of_others(self.benchmark.record.runs(), self.rows)
        sections, out = self.sections(), self.benchmark.out
        text = "\n".join(self._section(lines) for lines in sections.values())
        if sections:
            write_atomically(out / "table.md", text)
        if sections and plots:
            self._draw(next(iter(sections.values())), out)
        return text

    def write_docs(self, readme: Path, page: Path, images: Path) -> None:
        """Write the tables into two pages, and the plots into a folder.

        Args:
            readme: for the benchmark's table with few rows and columns.
            page: for all tables and plots.
            images: folder of the plots.

        Raises:
            ValueError: before any writing, without runs of the benchmark, and for a page without its marker.
        """
        for one in (readme, page):
            check_page(one, MARKER)
        sections = {data: lines for data, lines in self.sections().items() if data[1] == BENCHMARK[1]}
        if BENCHMARK not in sections:
            raise ValueError(f"--write-docs: expected runs on the data {BENCHMARK}, found none")
        lines = sections[BENCHMARK]
        drawn = [f"![{name}]({_relative(images, page)}/{name}.png)\n" for name in self._draw(lines, images)]
        short = [line for line in lines if line.row.short] or lines
        link = _relative(page, readme)
        about = [ABOUT.format(*lines[0].runs[0].data), SHORTLY, f"More: [{link}]({link})."]
        replace_part(readme, MARKER, f"{table(short, SHORT)}\n{_paragraph(about)}")
        parts = [*(self._section(lines) for lines in sections.values()), *drawn]
        replace_part(page, MARKER, "\n".join(parts))

    def time_forward(self, rounds: int) -> None:
        """Measure the forward passes of all rows with runs, and keep them for this and later tables."""
        rows: dict[int, dict[str, Row]] = {}
        evaluated: dict[int, int] = {}
        for (_, systems, particles), lines in self.sections().items():
            rows.setdefault(particles, {}).update({_key(line): line.row for line in lines})
            evaluated.setdefault(particles, systems)
        found = {n: self._times(rows[n], evaluated[n], n, rounds) for n in rows}
        if found:
            write_atomically(self._kept, json.dumps({"rounds": rounds, "particles": found}, indent=1))
            self._known = None

    def _times(self, rows: dict[str, Row], evaluated: int, particles: int, rounds: int) -> dict:
        """Return milliseconds, and the ratio to EGNN's or None, of each row."""
        benchmark = replace(self.benchmark, particles=particles, eval_samples=evaluated)
        data: Any = benchmark.splits().split("test")
        firsts = range(0, max(1, min(len(data), 100 * BATCHES)), 100)
        batches = [Batch.from_data_list([data[(k + i) % len(data)] for i in range(100)]) for k in firsts]
        times = forward_times(_built(rows), batches, rounds)
        egnn = next((seconds for key, seconds in times.items() if rows[key].name == "egnn"), None)
        ratios = {key: median_ratio(seconds, egnn) for key, seconds in times.items() if egnn is not None}
        return {key: [median_ms(seconds), ratios.get(key)] for key, seconds in times.items()}

    def _with_time(self, line: Line) -> Line:
        known = self._forward().get("particles", {}).get(str(line.runs[0].particles), {})
        forward, ratio = known.get(_key(line), (None, None))
        return replace(line, forward=forward, ratio=ratio)

    def _forward(self) -> dict:
        self._known = read_times(self._kept) if self._known is None else self._known
        return self._known

    def _section(self, lines: Sequence[Line]) -> str:
        about = self._about(lines)
        about += [BRACKETS] if any(line.forward and line.row.forward for line in lines) else []
        return f"{table(lines)}\n{_paragraph([*about, EQUIVARIANCE])}\n"

    def _about(self, lines: Sequence[Line]) -> list[str]:
        is_timed = any(line.forward is not None for line in lines)
        forward = [FORWARD.format(self._forward().get("rounds"))] if is_timed else []
        return [ABOUT.format(*lines[0].runs[0].data), notes(lines), *forward]

    def _draw(self, lines: Sequence[Line], folder: Path) -> list[str]:
        """Write all plots of these lines; return their names."""
        figures = {name: picture(lines, self._trained) for name, picture in PICTURES.items()}
        folder.mkdir(parents=True, exist_ok=True)
        for name, figure in figures.items():
            if figure is not None:
                save_figure(figure, folder / f"{name}.png")
        return [name for name, figure in figures.items() if figure is not None]

    def _trained(self, line: Line):
        return self.benchmark.trained(line.row, line.runs[0])


def _paragraph(sentences: Sequence[str]) -> str:
    text = " ".join(filter(None, sentences))
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def _built(rows: Mapping[str, Row]) -> dict[str, FitModule]:
    """Return the models that can be built here: runs of other machines may need what this one lacks."""
    found = {key: _build_or_warn(row) for key, row in rows.items()}
    return {key: one for key, one in found.items() if one is not None}


def _build_or_warn(row: Row) -> FitModule | None:
    try:
        return build(row)
    except (ValueError, ImportError) as error:
        warnings.warn(f"{row.name} is not timed: {error}", stacklevel=4)
        return None


def _key(line: Line) -> str:
    return f"{line.row.name}_{line.recipe.digest}"


def _relative(path: Path, page: Path) -> str:
    return Path(os.path.relpath(path, page.parent)).as_posix()


def _warn_of_others(runs: Sequence[Run], rows: Sequence[Row]) -> None:
    now = {row.name: Recipe.read(row).digest for row in rows}
    others = Counter(run.name for run in runs if run.settings != now.get(run.name, run.settings))
    if others:
        counts = ", ".join(f"{count} of {name}" for name, count in others.items())
        warnings.warn(f"runs of earlier settings of their configuration are left out: {counts}", stacklevel=3)
