"""All of the n-body benchmark: train the rows, evaluate them, and write tables, plots and pages."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from fa_pyg.train.nbody.benchmark import Benchmark
from fa_pyg.train.nbody.report import Report
from fa_pyg.train.nbody.rows import Row, find_rows

__all__ = ["Reproduction"]


@dataclass(frozen=True)
class Reproduction:
    """The benchmark, where its configurations are, and what is done beside the runs.

    Attributes:
        benchmark: settings of the runs, and the folder of their results.
        configs: folder of the configurations.
        rounds: of timed forward passes; 0 for none.
        root: of a checkout, whose README and docs get the tables; None for no pages.
    """

    benchmark: Benchmark
    configs: Path
    rounds: int = 50
    root: Path | None = None

    def run(
        self, names: Sequence[str] | None, seeds: Sequence[int], jobs: int = 1, merge: Sequence[Path] = ()
    ) -> int:
        """Train, evaluate and write; return 1 if a run failed.

        Args:
            names: of the rows, or their files; default all.
            seeds: of the runs.
            jobs: runs at once.
            merge: files ``results.csv`` of other machines.

        Raises:
            ValueError: for unknown rows and files that are wrong.
        """
        rows = find_rows(names, self.configs)
        torch.set_num_threads(1)
        for path in merge:
            print(f"merged {self.benchmark.record.merge(path)} runs of {path}")
        self.benchmark.splits().prepare_data()  # before several processes want them
        failed = self._train(rows, seeds, jobs)
        self._finish(self._report(rows))
        return failed

    def _train(self, rows: Sequence[Row], seeds: Sequence[int], jobs: int) -> int:
        failed = 0
        for task, outcome in self.benchmark.run(self.benchmark.tasks(rows, seeds), jobs):
            name = f"{task.row.name}, seed {task.seed}, {task.epochs} epochs"
            if isinstance(outcome, str):
                failed = 1
                print(f"error: {name}: {outcome}", file=sys.stderr, flush=True)
            else:
                cost = f"CPU {outcome.cpu_seconds:.0f} s"
                print(f"{name}: test MSE {outcome.test_mse:.5f}, {cost}", flush=True)
                self._report(rows).write(plots=False)
        return failed

    def _report(self, rows: Sequence[Row]) -> Report:
        """Return a report of all rows that there are runs of, and of these."""
        known = {run.name for run in self.benchmark.record.runs()} - {row.name for row in rows}
        known = {name for name in known if (self.configs / f"{name}.yaml").is_file()}
        every = [*(str(row.path) for row in rows), *sorted(known)]
        return Report(self.benchmark, find_rows(every, self.configs))

    def _finish(self, everything: Report) -> None:
        """Measure forward passes, write everything, print the table."""
        if self.rounds:
            everything.time_forward(self.rounds)
        print(everything.write())
        if self.root is not None:
            docs = self.root / "docs"
            everything.write_docs(self.root / "README.md", docs / "benchmarks" / "nbody.md", docs / "images")
