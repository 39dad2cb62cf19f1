"""N-body benchmark: train all rows with several seeds, each once, and evaluate them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import redirect_stdout
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from subprocess import CalledProcessError

import torch
from lightning.pytorch.utilities.seed import isolate_rng

from fa_pyg.files.lock import locked
from fa_pyg.train.compare import affordable_epochs, trained
from fa_pyg.train.fit import FitModule
from fa_pyg.train.logs import read_metrics
from fa_pyg.train.nbody.evaluate import equivariance, system_errors, worst_share
from fa_pyg.train.nbody.record import Details, Record, Run, stem
from fa_pyg.train.nbody.rows import Recipe, Row
from fa_pyg.train.run import load_best
from fa_pyg.train.tasks.nbody import NBodyCLI, NBodyData
from fa_pyg.workers.parent import end_with_parent

__all__ = ["Benchmark", "Busy", "Task", "build"]

FIGURES = ("best_epoch", "val_mse", "test_mse", "parameters", "cpu_seconds")  # of a training


class Busy(RuntimeError):
    """A run that another process trains at this moment."""


@dataclass(frozen=True)
class Task:
    """A run to do: a row, a seed, and the number of epochs (0: no training)."""

    row: Row
    seed: int
    epochs: int


@dataclass(frozen=True)
class Benchmark:
    """Settings of the benchmark, and the folder of its results.

    Attributes:
        out: folder of the runs and their record.
        script: that trains a configuration, ``scripts/train_nbody.py``.
        root: folder of the data.
        train_samples: systems in training.
        eval_samples: systems in validation and test each.
        particles: of each system.
        epochs: of training; default those of the configuration.
        minutes: of CPU time for the training steps of a row and seed; None for no limit.
        progress: show a progress bar of each training.
    """

    out: Path
    script: Path
    root: Path
    train_samples: int = 3000
    eval_samples: int = 2000
    particles: int = 5
    epochs: int | None = None
    minutes: float | None = None
    progress: bool = False

    @property
    def record(self) -> Record:
        """The finished runs."""
        return Record(self.out)

    def tasks(self, rows: Sequence[Row], seeds: Sequence[int]) -> list[Task]:
        """Return the runs of these rows and seeds; models without learning have one."""
        epochs = {row.name: self.epochs_of(row) for row in rows}
        return [
            Task(row, seed, epochs[row.name])
            for seed in seeds
            for row in rows
            if epochs[row.name] or seed == seeds[0]
        ]

    def epochs_of(self, row: Row) -> int:
        """Return the epochs of a row: those of its configuration or of ``epochs``, cut to fit ``minutes``."""
        recipe = Recipe.read(row)
        wanted = recipe.epochs if self.epochs is None or not recipe.epochs else self.epochs
        if self.minutes is None or not wanted:
            return wanted
        size = f"train{self.train_samples}_particles{self.particles}_minutes{self.minutes:g}"
        kept = self.out / "epochs" / f"{row.name}_{size}_{recipe.digest}.json"
        given = [*self._data(), "--trainer.accelerator=cpu"]
        return min(wanted, affordable_epochs(NBodyCLI, row.path, given, 60 * self.minutes, kept))

    def run(self, tasks: Sequence[Task], jobs: int = 1) -> Iterator[tuple[Task, Run | str]]:
        """Do all runs that are not in the record; yield each with its result, or an error as text.

        Args:
            tasks: the runs.
            jobs: runs at once, each in its own processes.
        """
        known = {run.key for run in self.record.runs()}
        left = [task for task in tasks if self._key(task) not in known]
        if jobs == 1 or len(left) < 2:
            yield from ((task, self._outcome(task)) for task in left)
            return
        pool = ProcessPoolExecutor(jobs, get_context("spawn"), end_with_parent)
        try:
            futures = {pool.submit(self._outcome, task): task for task in left}
            yield from ((futures[future], future.result()) for future in as_completed(futures))
        finally:
            pool.shutdown(cancel_futures=True)

    def _outcome(self, task: Task) -> Run | str:
        """Do a run; return an error, which does not end the others, as text."""
        torch.set_num_threads(1)
        try:
            return self.result(task)
        except CalledProcessError as error:
            return f"expected a training to end well, found exit status {error.returncode}"
        except Exception as error:  # whatever a model can cause
            return f"{type(error).__name__}: {error}"

    def result(self, task: Task) -> Run:
        """Train, evaluate and record a run; one that was interrupted is resumed.

        Raises:
            Busy: if another process trains it.
            CalledProcessError: if the training fails.
        """
        folder = self.out / "runs" / stem(*self._key(task))
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with locked(folder / ".lock", patience=0):
                run, details = self._evaluated(task, folder) if task.epochs else self._unlearned(task)
                self.record.keep(run, details)
                self.record.add([run])
        except TimeoutError as error:
            raise Busy(f"{task.row.name}, seed {task.seed}: expected to train it, found {error}") from error
        return run

    def _evaluated(self, task: Task, folder: Path) -> tuple[Run, Details]:
        every = max(1, min(Recipe.read(task.row).every, task.epochs // 20))
        options = [f"--trainer.max_epochs={task.epochs}", f"--trainer.check_val_every_n_epoch={every}"]
        options += [f"--checkpoint_every={max(1, task.epochs // 200)}", "--trainer.accelerator=cpu"]
        options += [f"--trainer.enable_progress_bar={str(self.progress).lower()}"]
        found = trained(self.script, task.row.path, task.seed, folder, *self._data(), *options)
        run_folder = folder / task.row.path.stem / Path(found["folder"]).name
        module = load_best(run_folder)
        rows = [row for row in read_metrics(run_folder) if "val/mse" in row]
        epochs, val = [int(row["epoch"]) + 1 for row in rows], [float(row["val/mse"]) for row in rows]
        data = self._splits().split("test")
        errors = system_errors(module, data)
        details = Details(errors, torch.tensor(epochs, dtype=torch.long), torch.tensor(val).double())
        figures = {key: found[key] for key in FIGURES}
        return self._line(task, module, details, figures), details

    def _unlearned(self, task: Task) -> tuple[Run, Details]:
        """Evaluate a model without learning."""
        begin = time.process_time()
        module, data = build(task.row), self._splits()
        val, errors = (system_errors(module, data.split(name)) for name in ("val", "test"))
        details = Details(errors, torch.zeros(0, dtype=torch.long), torch.zeros(0).double())
        figures = {"best_epoch": 0, "val_mse": float(val.double().mean()), "parameters": 0}
        figures |= {"test_mse": float(errors.double().mean()), "cpu_seconds": time.process_time() - begin}
        return self._line(task, module, details, figures), details

    def _line(self, task: Task, module: FitModule, details: Details, figures: dict) -> Run:
        name, seed, *sizes, digest = self._key(task)
        errors = details.errors
        tail = {"median_mse": float(errors.median()), "worst_1": worst_share(errors, 0.01)}
        tail |= {"worst_5": worst_share(errors, 0.05)}
        error = equivariance(module, self._splits().split("test"))
        keys = ("train_samples", "eval_samples", "particles", "epochs")
        known = dict(zip(keys, sizes, strict=True))
        return Run(name, seed, **known, **figures, **tail, equivariance=error, settings=digest)

    def _key(self, task: Task) -> tuple:
        sizes = (self.train_samples, self.eval_samples, self.particles, task.epochs)
        return (task.row.name, task.seed, *sizes, Recipe.read(task.row).digest)

    def _splits(self) -> NBodyData:
        return NBodyData(
            self.root,
            num_samples=self.eval_samples,
            num_train=self.train_samples,
            num_particles=self.particles,
        )

    def prepare(self) -> None:
        """Generate the data, once, before processes share them."""
        self._splits().prepare_data()

    def _data(self) -> list[str]:
        sizes = {"num_samples": self.eval_samples, "num_train": self.train_samples}
        sizes["num_particles"] = self.particles
        return [f"--data.root={self.root}", *(f"--data.{key}={value}" for key, value in sizes.items())]


def build(row: Row, seed: int = 0) -> FitModule:
    """Build the untrained model of a row, in evaluation mode."""
    with isolate_rng(), redirect_stdout(None):
        options = ["--trainer.accelerator=cpu", "--trainer.logger=false", f"--seed_everything={seed}"]
        return NBodyCLI(["--config", str(row.path), *options]).model.eval()
