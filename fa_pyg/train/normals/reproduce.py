"""All of the benchmark on point clouds: train the rows, test them, and write tables, pictures and pages."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from fa_pyg.train.normals.benchmark import Benchmark
from fa_pyg.train.normals.report import Report
from fa_pyg.train.normals.rows import Row, find_rows
from fa_pyg.train.tasks.clouds import REGIMES

__all__ = ["Reproduction"]


@dataclass(frozen=True)
class Reproduction:
    """The benchmark, where its configurations are, and what is done beside the trainings.

    Attributes:
        benchmark: settings of the trainings, and the folder of their results.
        configs: folder of the configurations.
        rounds: of timed forward passes; 0 to measure nothing.
        root: of a checkout, whose docs get the tables; None for no pages.
    """

    benchmark: Benchmark
    configs: Path
    rounds: int = 10
    root: Path | None = None

    def run(
        self,
        names: Sequence[str] | None,
        regimes: Sequence[str],
        seeds: Sequence[int],
        jobs: int = 1,
        merge: Sequence[Path] = (),
    ) -> int:
        """Train, evaluate and write; return 1 if a training failed.

        Args:
            names: of the rows, or their files; default all.
            regimes: of rotations in training.
            seeds: of the trainings; none for no training.
            jobs: trainings at once.
            merge: files ``results.csv`` of other machines.

        Raises:
            ValueError: for unknown rows and files that are wrong.
        """
        rows = find_rows(names, self.configs)
        torch.set_num_threads(1)
        for path in merge:
            print(f"merged {self.benchmark.record.merge(path)} lines of {path}")
        failed = self._train(rows, regimes, seeds, jobs) if seeds else 0
        self._finish(self._report(rows))
        return failed

    def _train(self, rows: Sequence[Row], regimes: Sequence[str], seeds: Sequence[int], jobs: int) -> int:
        failed = 0
        for task, outcome in self.benchmark.run(self.benchmark.tasks(rows, regimes, seeds), jobs):
            name = f"{task.row.name}, trained in {task.regime}, seed {task.seed}, {task.epochs} epochs"
            if isinstance(outcome, str):
                failed = 1
                print(f"error: {name}: {outcome}", file=sys.stderr, flush=True)
            else:
                found = [f"{one.condition} {one.loss:.4f}" for one in outcome if one.condition in REGIMES]
                cost = f"CPU {outcome[0].cpu_seconds:.0f} s"
                print(f"{name}: test loss in {', '.join(found)}; {cost}", flush=True)
                self._report(rows).write(pictures=False)
        return failed

    def _report(self, rows: Sequence[Row]) -> Report:
        """Return a report of all rows that there are runs of, and of these."""
        known = {run.name for run in self.benchmark.record.runs()} - {row.name for row in rows}
        known = {name for name in known if (self.configs / f"{name}.yaml").is_file()}
        every = [*(str(row.path) for row in rows), *sorted(known)]
        return Report(self.benchmark, find_rows(every, self.configs))

    def _finish(self, everything: Report) -> None:
        """Measure what is not measured in runs, write everything, print the tables."""
        if self.rounds:
            everything.measure(self.rounds)
        print(everything.write())
        if self.root is not None:
            everything.write_docs(
                self.root / "docs" / "benchmarks" / "normals.md", self.root / "docs" / "images"
            )
