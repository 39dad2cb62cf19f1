"""Finished runs of the benchmark on point clouds: a line for each condition of the test."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

from fa_pyg import checks
from fa_pyg.files import write_atomically
from fa_pyg.train.benchmark.lines import DIGEST, NAME, Lines
from fa_pyg.train.benchmark.record import RunRecord
from fa_pyg.train.results import read_result

__all__ = ["CONDITIONS", "KINDS", "LINES", "Data", "Record", "Run", "stem"]

KINDS = ("plane", "cylinder", "cone", "sphere", "torus", "spline", "other")
# Name of a condition of the test -> settings of the draw; those without a rotation have that of the training.
CONDITIONS: dict[str, dict] = {
    "I": {"rotation": "I"},
    "z": {"rotation": "z"},
    "SO(3)": {"rotation": "SO(3)"},
    "O(3)": {"rotation": "O(3)"},
    "noise 0.01": {"noise": 0.01},
    "noise 0.03": {"noise": 0.03},
    "uneven": {"density": 1.0},
}
REGIME = r"I|z|SO\(3\)|O\(3\)"


@dataclass(frozen=True)
class Data:
    """Task and size that runs have in common.

    Attributes:
        task: ``"normals"`` or ``"classes"``.
        splitting: of CAD parts; for others the name of the source.
        parts: in training.
        evaluated: in the test; in validation as many, unless there are fewer.
        points: of a cloud.
        width: factor of the published widths.
        k: number of neighbors; 0: as in the configuration of each row.
    """

    task: str
    splitting: str
    parts: int
    evaluated: int
    points: int
    width: float
    k: int


@dataclass(frozen=True)
class Run:
    """Finished run in a condition of the test: a line of ``results.csv``.

    Attributes:
        name: of the row.
        seed: of the run.
        regime: of the rotations in training and validation.
        task, splitting, parts, evaluated, points, width, k: as in :class:`Data`.
        epochs: that were trained.
        settings: digest of the configuration.
        condition: of the test: a regime of rotations; noise or uneven density in the regime of the training.
        loss: of the test.
        score: root mean square angle in degrees, mean over clouds; of classes: the accuracy.
        plane, ..., other: root mean square angle of all points on such a surface; nan without any.
        best_epoch, val_loss: of the lowest validation loss, whose weights are tested.
        equivariance: root mean square angle in degrees between f(gx) and g f(x) for random rotations g, in
            float32; of classes: largest deviation of logits, relative to the largest logit.
        equivariance_median: of the points; of classes: of the clouds.
        parameters: number of trained parameters.
        cpu_seconds: of all attempts, with validation and a test.
    """

    name: str
    seed: int
    regime: str
    task: str
    splitting: str
    parts: int
    evaluated: int
    points: int
    width: float
    k: int
    epochs: int
    settings: str
    condition: str
    loss: float
    score: float
    plane: float
    cylinder: float
    cone: float
    sphere: float
    torus: float
    spline: float
    other: float
    best_epoch: int
    val_loss: float
    equivariance: float
    equivariance_median: float
    parameters: int
    cpu_seconds: float

    @property
    def training(self) -> tuple:
        """Settings of the training, which has a line for each condition."""
        return astuple(self)[:12]

    @property
    def key(self) -> tuple:
        """Settings of the line: two lines with the same key are the same."""
        return astuple(self)[:13]

    @property
    def data(self) -> Data:
        """Task and size."""
        return Data(*astuple(self)[3:10])


def _check(run: Run) -> None:
    """Refuse what no run can have."""
    checks.integer("best_epoch", run.best_epoch, 0, run.epochs)
    checks.number("cpu_seconds", run.cpu_seconds)
    for name in ("parts", "evaluated", "points"):
        checks.integer(name, getattr(run, name))


PATTERNS = {
    "name": NAME.pattern,
    "settings": DIGEST,
    "regime": REGIME,
    "condition": "|".join(map(re.escape, CONDITIONS)),
    "task": "normals|classes",
    "splitting": "family|random|meshes|abc|pcpnet",
}
LINES = Lines(Run, PATTERNS, _check)


def stem(training: tuple) -> str:
    """Return the name of the files of a training, from :attr:`Run.training`."""
    name, seed, regime, task, splitting, parts, evaluated, points, width, k, epochs, digest = training
    regime = re.sub(r"\W", "", regime)
    size = f"{splitting}_parts{parts}_eval{evaluated}_points{points}_width{width:g}_k{k}"
    return f"{task}_{name}_{regime}_{size}_epochs{epochs}_seed{seed}_{digest}"


class Record(RunRecord[Run]):
    """Record of runs, and of their validation curves: ``results.csv``, ``curves/``."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, LINES)

    def keep_curve(self, training: tuple, curve: list[list[float]]) -> None:
        """Write epochs and losses of the validations of a training."""
        path = self._curve(training)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(curve))

    def curve(self, training: tuple) -> list[list[float]] | None:
        """Return epochs and losses of the validations of a training, None without them."""
        return read_result(self._curve(training), list)

    def take(self, folder: Path, runs: Sequence[Run]) -> None:
        other = Record(folder)
        for training in dict.fromkeys(run.training for run in runs):
            if curve := other.curve(training):
                self.keep_curve(training, curve)

    def _curve(self, training: tuple) -> Path:
        return self.folder / "curves" / f"{stem(training)}.json"
