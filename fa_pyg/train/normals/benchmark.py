"""Benchmark on point clouds: train all rows in several regimes and with several seeds, and evaluate them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import yaml
from lightning.pytorch.utilities.seed import isolate_rng

from fa_pyg.files import write_atomically
from fa_pyg.files.lock import locked
from fa_pyg.train.benchmark.recipes import Recipe
from fa_pyg.train.benchmark.side_by_side import outcome, outcomes
from fa_pyg.train.cli import FitCLI
from fa_pyg.train.compare import affordable_epochs, trained
from fa_pyg.train.fit import FitModule
from fa_pyg.train.logs import read_metrics
from fa_pyg.train.normals.evaluate import equivariance, predictions, scores
from fa_pyg.train.normals.rows import Row, resized
from fa_pyg.train.normals.runs import CONDITIONS, Data, Record, Run, stem
from fa_pyg.train.run import load_best
from fa_pyg.train.tasks.clouds_data import CloudsData
from fa_pyg.train.tasks.normals import ClassesCLI, NormalsCLI

__all__ = ["CLIS", "Benchmark", "Task", "build"]

CLIS: dict[str, type[FitCLI]] = {"normals": NormalsCLI, "classes": ClassesCLI}
TRAININGS = {"normals": "normals", "classes": "shapes"}  # of `fa-pyg train`
VALIDATIONS = 50  # of a run, at most
SHARED = ("best_epoch", "val_loss", "parameters", "cpu_seconds")  # by all lines of a training


@dataclass(frozen=True)
class Task:
    """A training to do: a row with its recipe, the regime of rotations, a seed, the number of epochs."""

    row: Row
    recipe: Recipe
    regime: str
    seed: int
    epochs: int


@dataclass(frozen=True)
class Benchmark:
    """Settings of the benchmark, and the folder of its results.

    Attributes:
        out: folder of the runs and their record.
        root: folder of the data set.
        task: ``"normals"`` or ``"classes"``.
        source: of the data, as for :class:`~fa_pyg.train.CloudsData`.
        splitting: of the data set.
        shipped: take the parts that come with the project.
        parts: in training, at most; None for all.
        evaluated: in validation and in the test each, at most.
        points: of a cloud.
        width, k: size of the networks, as for :func:`~fa_pyg.train.normals.rows.resized`.
        batch_size: clouds per step.
        epochs: of training; default those of the configuration.
        minutes: of CPU time for the training steps of a row and seed; None for no limit. The epochs that fit
            are measured once and kept, for all regimes and seeds.
        equal_time: train for all of the ``minutes``, also beyond the epochs.
        accelerator: ``"cpu"``, or another of Lightning's.
        progress: show a progress bar of each training.
    """

    out: Path
    root: Path
    task: str = "normals"
    source: str = "cad"
    splitting: str = "family"
    shipped: bool = False
    parts: int | None = None
    evaluated: int | None = None
    points: int = 512
    width: float = 1.0
    k: int | None = None
    batch_size: int = 32
    epochs: int | None = None
    minutes: float | None = None
    equal_time: bool = False
    accelerator: str = "cpu"
    progress: bool = False

    @property
    def record(self) -> Record:
        """Record of the finished runs."""
        return Record(self.out)

    @property
    def cli(self) -> type[FitCLI]:
        """Command line of a training."""
        return CLIS[self.task]

    def clouds(self, regime: str = "I") -> CloudsData:
        """Return the data of trainings in a regime of rotations."""
        rotation: Any = regime  # checked there
        return CloudsData(**self._sizes(), root=self.root, train_rotation=rotation)

    @cached_property
    def data(self) -> Data:
        """Task and size, with the numbers of parts that there are."""
        parts, evaluated = (len(self._clouds.split(name)) for name in ("train", "test"))
        size = (self.points, float(self.width), self.k or 0)
        splitting = self.splitting if self.source == "cad" else self.source
        return Data(self.task, splitting, parts, evaluated, *size)

    @cached_property
    def families(self) -> int:
        """Number of families of parts."""
        return self._clouds.num_classes

    @cached_property
    def _clouds(self) -> CloudsData:
        return self.clouds()

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the points, which other processes read themselves."""
        return {name: one for name, one in vars(self).items() if name != "_clouds"}

    def settings(self, row: Row) -> dict[str, Any]:
        """Return the configuration of a row at this size."""
        classes = None if self.task == "normals" else self.families
        return resized(row.file, self.width, self.k, classes)

    def recipe(self, row: Row) -> Recipe:
        """Return the recipe of a row at this size."""
        return Recipe.of(self.settings(row), row.file)

    def tasks(self, rows: Sequence[Row], regimes: Sequence[str], seeds: Sequence[int]) -> list[Task]:
        """Return the trainings of these rows in these regimes with these seeds, one of each row first."""
        found = [(row, recipe := self.recipe(row), self._epochs(row, recipe)) for row in rows]
        return [
            Task(row, recipe, regime, seed, epochs)
            for seed in dict.fromkeys(seeds)
            for regime in dict.fromkeys(regimes)
            for row, recipe, epochs in found
        ]

    def _epochs(self, row: Row, recipe: Recipe) -> int:
        """Return the epochs of the configuration or of ``epochs``, cut to fit ``minutes``."""
        wanted = recipe.epochs if self.epochs is None else self.epochs
        if self.minutes is None:
            return wanted
        data, where = self.data, "" if self.accelerator == "cpu" else f"_{self.accelerator}"
        size = f"parts{data.parts}_points{data.points}_batch{self.batch_size}_minutes{self.minutes:g}{where}"
        kept = self.out / "epochs" / f"{self.task}_{row.name}_{size}_{recipe.digest}.json"
        kept.parent.mkdir(parents=True, exist_ok=True)
        config = kept.with_suffix(".yaml")
        write_atomically(config, yaml.safe_dump(self.settings(row), sort_keys=False))
        found = affordable_epochs(self.cli, config, self._options("I"), 60 * self.minutes, kept)
        return found if self.equal_time else min(wanted, found)

    def run(self, tasks: Sequence[Task], jobs: int = 1) -> Iterator[tuple[Task, list[Run] | str]]:
        """Do all trainings whose lines are not all in the record; yield each with its lines, or an error.

        Args:
            tasks: the trainings.
            jobs: trainings at once, each in its own processes.
        """
        known = {run.key for run in self.record.runs()}
        keys = {task: [(*self._training(task), name) for name in CONDITIONS] for task in tasks}
        left = [task for task in tasks if not known.issuperset(keys[task])]
        yield from outcomes(self.outcome, left, jobs)

    def outcome(self, task: Task) -> list[Run] | str:
        """Do a training; return an error, which does not end the others, as text."""
        return outcome(self.result, task)

    def result(self, task: Task) -> list[Run]:
        """Train, evaluate and record; a training that was interrupted is resumed.

        Raises:
            ValueError: if the configuration has changed since the task was made.
            TimeoutError: if another process trains it.
            CalledProcessError: if the training fails.
        """
        if self.recipe(task.row).digest != task.recipe.digest:
            raise ValueError(f"{task.row.file}: expected the settings of the start, found others")
        training = self._training(task)
        folder = self.out / "runs" / stem(training)
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder / ".lock", patience=0):
            found = self._trained(task, folder)
            module = load_best(found["folder"], self.cli).to(self._device)
            figures = self._figures(module, task.regime)
            shared = {name: found[name] for name in SHARED}
            if shared["val_loss"] < 0:  # by rounding
                shared["val_loss"] = 0.0
            runs = [Run(*training, condition=name, **one, **shared) for name, one in figures.items()]
            self.record.keep_curve(training, _curve(Path(found["folder"])))
            self.record.add(runs)
        return runs

    def _trained(self, task: Task, folder: Path) -> dict[str, Any]:
        config = folder / f"{task.row.name}.yaml"
        write_atomically(config, yaml.safe_dump(self.settings(task.row), sort_keys=False))
        every = max(1, min(task.epochs, max(task.recipe.every, task.epochs // VALIDATIONS)))
        options = [f"--trainer.max_epochs={task.epochs}", f"--trainer.check_val_every_n_epoch={every}"]
        options += [f"--checkpoint_every={max(1, task.epochs // 200)}"]
        options += [f"--trainer.enable_progress_bar={str(self.progress).lower()}"]
        options += self._options(task.regime)
        found = trained(TRAININGS[self.task], config, task.seed, folder, *options)
        return {**found, "folder": str(folder / task.row.name / Path(found["folder"]).name)}

    def _figures(self, module: FitModule, regime: str) -> dict[str, dict[str, float]]:
        """Return the figures of a model in each condition of the test."""
        data = self.clouds(regime)
        of_motion = equivariance(module, data.fixed("test", rotation="I"), self.task)
        names = ("equivariance", "equivariance_median")
        found = {}
        for name, changes in CONDITIONS.items():
            clouds = data.fixed("test", **changes)
            found[name] = scores(predictions(module, clouds, self.batch_size), clouds, self.task)
            found[name] |= dict(zip(names, of_motion, strict=True))
        return found

    def trained(self, row: Row, training: tuple) -> FitModule | None:
        """Return the trained model of a row, None if it was trained elsewhere or its files were removed."""
        found = list((self.out / "runs" / stem(training) / row.name).glob("version_*/results.json"))
        newest = max(found, key=lambda path: path.stat().st_mtime, default=None)
        return None if newest is None else load_best(newest.parent, CLIS[training[3]])

    def _training(self, task: Task) -> tuple:
        data = self.data
        size = (data.task, data.splitting, data.parts, data.evaluated, data.points, data.width, data.k)
        return (task.row.name, task.seed, task.regime, *size, task.epochs, task.recipe.digest)

    @property
    def _device(self) -> torch.device:
        return torch.device("cpu" if self.accelerator == "cpu" else self.accelerator)

    def _options(self, regime: str) -> list[str]:
        sizes = {name: one for name, one in self._sizes().items() if one is not None}
        options = [f"--data.{name}={str(one).lower()}" for name, one in sizes.items()]
        options += [f"--data.root={self.root}", f"--data.train_rotation={regime}"]
        return [*options, f"--trainer.accelerator={self.accelerator}"]

    def _sizes(self) -> dict[str, Any]:
        return {
            "batch_size": self.batch_size,
            "num_points": self.points,
            "source": self.source,
            "splitting": self.splitting,
            "num_parts": self.parts,
            "num_eval": self.evaluated,
            "shipped": self.shipped,
        }


def _curve(folder: Path) -> list[list[float]]:
    """Return epochs and losses of the validations of a run."""
    rows = [row for row in read_metrics(folder) if "val/loss" in row]
    return [[int(row["epoch"]) + 1, float(row["val/loss"])] for row in rows]


def build(settings: dict[str, Any], task: str, path: Path) -> FitModule:
    """Build the untrained model of settings, in evaluation mode, with weights of seed 0.

    Raises:
        ValueError: naming the file that they are from, for settings that are wrong.
    """
    options = ["--trainer.accelerator=cpu", "--trainer.logger=false", "--seed_everything=0"]
    try:
        with isolate_rng():
            return CLIS[task](["--config", yaml.safe_dump(settings), *options]).model.eval()
    except SystemExit as error:  # of the parser, which has printed what is wrong
        raise ValueError(f"{path}: expected settings of a model, found others") from error
