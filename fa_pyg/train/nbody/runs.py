"""Finished runs of the n-body benchmark, and their lines in a CSV file."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable
from dataclasses import Field, astuple, dataclass, fields
from pathlib import Path
from typing import Any

from fa_pyg import checks
from fa_pyg.datasets.nbody import SPLITS

__all__ = ["NAME", "Run", "csv_text", "read_runs", "stem"]

NAME = re.compile(r"[A-Za-z0-9][\w.+-]*", re.ASCII)  # of a row


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


FIELDS = fields(Run)
COLUMNS = [field.name for field in FIELDS]
PATTERNS = {  # of the cells of a column, by its name or the type of its values
    "name": NAME.pattern,
    "settings": r"[0-9a-f]{8}",
    "int": r"[0-9]{1,15}",
    "float": r"[0-9]+(\.[0-9]+)?(e[+-]?[0-9]+)?|nan|inf",  # nan and inf: a run that diverged
}
RANGES = {  # of numbers of systems and particles
    "train_samples": (1, len(SPLITS["train"])),
    "eval_samples": (1, min(len(SPLITS["val"]), len(SPLITS["test"]))),
    "particles": (2,),
}
SHARES = ("worst_1", "worst_5")


def csv_text(runs: Iterable[Run]) -> str:
    """Return the content of a CSV file.

    Raises:
        ValueError: for a run whose line :func:`read_runs` would refuse.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for run in runs:
        cells = [str(value) for value in astuple(run)]
        _parsed(cells)
        writer.writerow(cells)
    return text.getvalue()


def read_runs(path: Path) -> list[Run]:
    """Return the runs of a CSV file in its order; none without a file.

    Of several lines of the same run (:attr:`Run.key`), the last counts: it is the newest.

    Raises:
        ValueError: naming file and line, for a line that is not one of a run, or that no run can have.
    """
    try:
        lines = csv.reader(io.StringIO(path.read_text(encoding="utf-8")), strict=True)
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: expected a table of runs, found another file ({error})") from error
    runs: dict[tuple, Run] = {}
    try:
        _check_head(next(lines, []))
        for run in (_parsed(cells) for cells in lines if cells):
            runs.pop(run.key, None)  # to the end
            runs[run.key] = run
    except (ValueError, csv.Error) as error:
        line = max(1, lines.line_num)
        raise ValueError(f"{path}, line {line}: expected a run, found another line ({error})") from error
    return list(runs.values())


def _check_head(cells: list[str]) -> None:
    if cells != COLUMNS:
        raise ValueError(f"columns: expected {','.join(COLUMNS)}, found {','.join(cells)[:200]!r}")


def _parsed(cells: list[str]) -> Run:
    if len(cells) != len(COLUMNS):
        raise ValueError(f"columns: expected {len(COLUMNS)}, found {len(cells)}")
    run = Run(*map(_value, FIELDS, cells))
    _check_values(run)
    return run


def _check_values(run: Run) -> None:
    """Refuse what no run can have; the error of one that diverged may be nan or inf, its shares nan."""
    for name, limits in RANGES.items():
        checks.integer(name, getattr(run, name), *limits)
    checks.integer("best_epoch", run.best_epoch, 0, run.epochs)
    checks.number("cpu_seconds", run.cpu_seconds)
    for name in SHARES:
        if not math.isnan(share := getattr(run, name)):
            checks.number(name, share, 0, 1 + 1e-6)  # rounded


def _value(field: Field, cell: str) -> Any:
    if not re.fullmatch(PATTERNS.get(field.name) or PATTERNS[field.type], cell, re.ASCII):
        expected = {"int": "a whole number", "float": "a number >= 0", "str": "a plain name"}[field.type]
        raise ValueError(f"{field.name}: expected {expected}, found {cell[:60]!r}")
    return {"int": int, "float": float, "str": str}[field.type](cell)
