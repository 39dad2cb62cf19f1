"""N-body benchmark: train all rows with several seeds, each once, and evaluate them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.utilities.seed import isolate_rng

from fa_pyg.files.lock import locked
from fa_pyg.train.benchmark.side_by_side import outcome, outcomes
from fa_pyg.train.compare import affordable_epochs, trained
from fa_pyg.train.fit import FitModule
from fa_pyg.train.logs import read_metrics
from fa_pyg.train.nbody.evaluate import equivariance, spread, system_errors
from fa_pyg.train.nbody.record import Details, Record
from fa_pyg.train.nbody.rows import Recipe, Row, data_settings
from fa_pyg.train.nbody.runs import Run, stem
from fa_pyg.train.run import load_best
from fa_pyg.train.tasks.nbody import NBodyCLI, NBodyData

__all__ = ["Benchmark", "Task", "build"]

FIGURES = ("best_epoch", "val_mse", "test_mse", "parameters", "cpu_seconds")  # of a training


@dataclass(frozen=True)
class Task:
    """A run to do: a row with its recipe, a seed, and the number of epochs (0: no training)."""

    row: Row
    recipe: Recipe
    seed: int
    epochs: int


@dataclass(frozen=True)
class Benchmark:
    """Settings of the benchmark, and the folder of its results.

    Attributes:
        out: folder of the runs and their record.
        root: folder of the data.
        train_samples: systems in training.
        eval_samples: systems in validation and test each.
        particles: of each system.
        epochs: of training; default those of the configuration.
        minutes: of CPU time for the training steps of a row and seed; None for no limit. The epochs that fit
            are measured once and kept; a schedule spans them.
        accelerator: ``"cpu"``, or another of Lightning's, on which a resumed run may differ in rounding.
        progress: show a progress bar of each training.
    """

    out: Path
    root: Path
    train_samples: int = 3000
    eval_samples: int = 2000
    particles: int = 5
    epochs: int | None = None
    minutes: float | None = None
    accelerator: str = "cpu"
    progress: bool = False

    @property
    def record(self) -> Record:
        """Record of the finished runs."""
        return Record(self.out)

    def splits(self, row: Row | None = None) -> NBodyData:
        """Return the data, with the other settings of a row, such as its number of neighbors."""
        settings = {} if row is None else data_settings(row)
        return NBodyData(**{**settings, "root": self.root, **self._sizes()})

    def tasks(self, rows: Sequence[Row], seeds: Sequence[int]) -> list[Task]:
        """Return the runs of these rows and seeds; a model without learning has one, of seed 0."""
        found = [Task(row, recipe := Recipe.read(row), 0, self._epochs(row, recipe)) for row in rows]
        return [
            Task(task.row, task.recipe, seed if task.epochs else 0, task.epochs)
            for number, seed in enumerate(dict.fromkeys(seeds))
            for task in found
            if task.epochs or not number
        ]

    def _epochs(self, row: Row, recipe: Recipe) -> int:
        """Return the epochs of the configuration or of ``epochs``, cut to fit ``minutes``."""
        wanted = recipe.epochs if self.epochs is None or not recipe.epochs else self.epochs
        if self.minutes is None or not wanted:
            return wanted
        size = f"train{self.train_samples}_particles{self.particles}_minutes{self.minutes:g}"
        size += "" if self.accelerator == "cpu" else f"_{self.accelerator}"
        kept = self.out / "epochs" / f"{row.name}_{size}_{recipe.digest}.json"
        return min(wanted, affordable_epochs(NBodyCLI, row.file, self._options(), 60 * self.minutes, kept))

    def run(self, tasks: Sequence[Task], jobs: int = 1) -> Iterator[tuple[Task, Run | str]]:
        """Do all runs that are not in the record; yield each with its result, or an error as text.

        Args:
            tasks: the runs.
            jobs: runs at once, each in its own processes.
        """
        known = {run.key for run in self.record.runs()}
        left = [task for task in tasks if self._key(task) not in known]
        yield from outcomes(self.outcome, left, jobs)

    def outcome(self, task: Task) -> Run | str:
        """Do a run; return an error, which does not end the others, as text."""
        return outcome(self.result, task)

    def result(self, task: Task) -> Run:
        """Train, evaluate and record a run; one that was interrupted is resumed.

        Raises:
            ValueError: if the configuration has changed since the task was made.
            TimeoutError: if another process trains it.
            CalledProcessError: if the training fails.
        """
        if Recipe.read(task.row).digest != task.recipe.digest:
            raise ValueError(f"{task.row.file}: expected the settings of the start, found others")
        folder = self.out / "runs" / stem(*self._key(task))
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / ".lock", patience=0):
            module, figures, curve = (self._learned if task.epochs else self._unlearned)(task, folder)
            test = self.splits(task.row).split("test")
            errors = system_errors(module, test)
            figures |= {"equivariance": equivariance(module, test), **spread(errors)}
            name, seed, train, evaluated, particles, epochs, digest = self._key(task)
            run = Run(name, seed, train, evaluated, particles, epochs, **figures, settings=digest)
            self.record.keep(run, Details(errors, *curve))
            self.record.add([run])
        return run

    def _learned(self, task: Task, folder: Path) -> tuple[FitModule, dict[str, Any], list]:
        """Return the trained model, its figures, and epochs and errors of its validations."""
        every = max(1, min(task.recipe.every, task.epochs // 20))
        options = [f"--trainer.max_epochs={task.epochs}", f"--trainer.check_val_every_n_epoch={every}"]
        options += [f"--checkpoint_every={max(1, task.epochs // 200)}"]
        options += [f"--trainer.enable_progress_bar={str(self.progress).lower()}", *self._options()]
        found = trained("nbody", task.row.file, task.seed, folder, *options)
        folder = folder / task.row.file.stem / Path(found["folder"]).name
        rows = [row for row in read_metrics(folder) if "val/mse" in row]
        epochs = torch.tensor([int(row["epoch"]) + 1 for row in rows], dtype=torch.long)
        val = torch.tensor([float(row["val/mse"]) for row in rows], dtype=torch.double)
        return load_best(folder), {key: found[key] for key in FIGURES}, [epochs, val]

    def _unlearned(self, task: Task, folder: Path) -> tuple[FitModule, dict[str, Any], list]:
        begin, module, data = time.process_time(), build(task.row), self.splits(task.row)
        errors = {name: system_errors(module, data.split(name)) for name in ("val", "test")}
        figures = {f"{name}_mse": float(one.double().mean()) for name, one in errors.items()}
        figures |= {"best_epoch": 0, "parameters": 0, "cpu_seconds": time.process_time() - begin}
        return module, figures, [torch.zeros(0, dtype=torch.long), torch.zeros(0, dtype=torch.double)]

    def trained(self, row: Row, run: Run) -> FitModule | None:
        """Return the trained model of a run, None if it was trained elsewhere or its files were removed."""
        if not run.epochs:
            return build(row)
        found = list((self.out / "runs" / stem(*run.key) / row.file.stem).glob("version_*/results.json"))
        newest = max(found, key=lambda path: path.stat().st_mtime, default=None)
        return None if newest is None else load_best(newest.parent)

    def _key(self, task: Task) -> tuple:
        sizes = (self.train_samples, self.eval_samples, self.particles, task.epochs)
        return (task.row.name, task.seed, *sizes, task.recipe.digest)

    def _options(self) -> list[str]:
        sizes = [f"--data.{key}={value}" for key, value in self._sizes().items()]
        return [f"--data.root={self.root}", *sizes, f"--trainer.accelerator={self.accelerator}"]

    def _sizes(self) -> dict[str, int]:
        sizes = {"num_samples": self.eval_samples, "num_train": self.train_samples}
        return {**sizes, "num_particles": self.particles}


def build(row: Row) -> FitModule:
    """Build the untrained model of a row, in evaluation mode, with weights of seed 0.

    Raises:
        ValueError: naming the file, for settings that are wrong.
    """
    options = ["--trainer.accelerator=cpu", "--trainer.logger=false", "--seed_everything=0"]
    try:
        with isolate_rng():
            return NBodyCLI(["--config", str(row.file), *options]).model.eval()
    except SystemExit as error:  # of the parser, which has printed what is wrong
        raise ValueError(f"{row.file}: expected settings of a model, found others") from error
