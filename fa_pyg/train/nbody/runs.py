"""Finished runs of the n-body benchmark, and their lines in a CSV file."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass

from fa_pyg import checks
from fa_pyg.datasets.nbody import SPLITS
from fa_pyg.train.benchmark.lines import DIGEST, NAME, Lines

__all__ = ["LINES", "Run", "csv_text", "read_runs", "stem"]


@dataclass(frozen=True)
class Run:
    """Finished run: a line of ``results.csv``.

    Attributes:
        name: of the row.
        seed: of the run.
        train_samples, eval_samples: systems in training, and in validation and test each.
        particles: of each system.
        epochs: that were trained, 0 for a model without learning.
        best_epoch: of the lowest validation error.
        val_mse, test_mse: errors of the weights of the best epoch.
        median_mse: test error of the median system.
        worst_1, worst_5: shares of the test error of the 1 % and 5 % systems with the largest errors.
        equivariance: largest error under E(3) in float32, relative to coordinates.
        parameters: number of trained parameters.
        cpu_seconds: of all attempts, with validation and test.
        settings: digest of the configuration.
    """

    name: str
    seed: int
    train_samples: int
    eval_samples: int
    particles: int
    epochs: int
    best_epoch: int
    val_mse: float
    test_mse: float
    median_mse: float
    worst_1: float
    worst_5: float
    equivariance: float
    parameters: int
    cpu_seconds: float
    settings: str

    @property
    def key(self) -> tuple:
        """Settings of the run: two runs with the same key are the same."""
        return (*astuple(self)[:6], self.settings)

    @property
    def data(self) -> tuple[int, int, int]:
        """Training systems, systems in validation and test each, particles."""
        return self.train_samples, self.eval_samples, self.particles


def stem(name: str, seed: int, train: int, evaluated: int, particles: int, epochs: int, digest: str) -> str:
    """Return the name of the files of a run, from its key."""
    return f"{name}_train{train}_eval{evaluated}_particles{particles}_epochs{epochs}_seed{seed}_{digest}"


RANGES = {  # of numbers of systems and particles
    "train_samples": (1, len(SPLITS["train"])),
    "eval_samples": (1, min(len(SPLITS["val"]), len(SPLITS["test"]))),
    "particles": (2,),
}
SHARES = ("worst_1", "worst_5")


def _check_values(run: Run) -> None:
    """Refuse what no run can have; the error of one that diverged may be nan or inf, its shares nan."""
    for name, limits in RANGES.items():
        checks.integer(name, getattr(run, name), *limits)
    checks.integer("best_epoch", run.best_epoch, 0, run.epochs)
    checks.number("cpu_seconds", run.cpu_seconds)
    for name in SHARES:
        if not math.isnan(share := getattr(run, name)):
            checks.number(name, share, 0, 1 + 1e-6)  # rounded


LINES = Lines(Run, {"name": NAME.pattern, "settings": DIGEST}, _check_values)
COLUMNS, csv_text, read_runs = LINES.columns, LINES.text, LINES.read
