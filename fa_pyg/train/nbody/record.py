"""Finished runs of the n-body benchmark in a CSV file, and the details of each in a file beside it."""

from __future__ import annotations

import csv
import io
import re
import warnings
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fa_pyg.files import write_atomically
from fa_pyg.files.checked_json import DamagedFile
from fa_pyg.files.lock import locked
from fa_pyg.files.tensors import check, load, save

__all__ = ["Details", "Record", "Run", "read_runs", "stem"]


@dataclass(frozen=True)
class Run:
    """A finished run: one line of ``results.csv``.

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

    @property
    def stem(self) -> str:
        """Name of its files."""
        return stem(*self.key)


def stem(name: str, seed: int, train: int, evaluated: int, particles: int, epochs: int, digest: str) -> str:
    """Return the name of the files of a run."""
    return f"{name}_train{train}_eval{evaluated}_particles{particles}_epochs{epochs}_seed{seed}_{digest}"


COLUMNS = tuple(field.name for field in fields(Run))
NAME, DIGEST = re.compile(r"[A-Za-z0-9][\w.+-]*"), re.compile(r"[0-9a-f]{8}")


def read_runs(path: Path) -> list[Run]:
    """Return the runs of a CSV file in its order; none without a file.

    Of two lines of the same run, the last counts.

    Raises:
        ValueError: naming file and line, for a line that is not one of a run.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: expected a table of runs, found another file ({error})") from error
    lines = csv.reader(io.StringIO(text), strict=True)
    runs: dict[tuple, Run] = {}
    try:
        for cells in lines:
            if lines.line_num == 1 or (not runs and cells == list(COLUMNS)):
                _check_head(cells)
            elif cells:
                run = _parsed(cells)
                runs.pop(run.key, None)
                runs[run.key] = run
    except (ValueError, csv.Error) as error:
        raise ValueError(f"{path}, line {lines.line_num}: expected a run, found another ({error})") from error
    return list(runs.values())


def _check_head(cells: list[str]) -> None:
    if cells != list(COLUMNS):
        raise ValueError(f"columns: expected {','.join(COLUMNS)}, found {','.join(cells)[:200]}")


def _parsed(cells: list[str]) -> Run:
    if len(cells) != len(COLUMNS):
        raise ValueError(f"columns: expected {len(COLUMNS)}, found {len(cells)}")
    return Run(**{field.name: _value(field, cell) for field, cell in zip(fields(Run), cells, strict=True)})


def _value(field: Any, cell: str) -> Any:
    if field.type == "int":
        good = cell.isascii() and cell.isdecimal() and len(cell) < 16
        found: Any = int(cell) if good else None
    elif field.type == "float":  # nan and inf: a run that diverged
        good = bool(re.fullmatch(r"\d+(\.\d+)?(e[+-]?\d+)?|nan|inf", cell))
        found = float(cell) if good else None
    else:
        good, found = bool((NAME if field.name == "name" else DIGEST).fullmatch(cell)), cell
    if not good:
        kinds = {"int": "a whole number", "float": "a number >= 0", "str": "a plain name"}
        raise ValueError(f"{field.name}: expected {kinds[field.type]}, found {cell[:60]!r}")
    return found


@dataclass(frozen=True)
class Details:
    """Errors and validation curve of a run, for plots.

    Attributes:
        errors: mean squared error of each test system, ``[S]``.
        epochs, val: validation errors ``[T]`` and their epochs.
    """

    errors: Tensor
    epochs: Tensor
    val: Tensor


SPEC = {
    "errors": (torch.float32, (None,)),
    "epochs": (torch.int64, (None,)),
    "val": (torch.float64, (None,)),
}


class Record:
    """Record of runs, and of their details, in a folder: ``results.csv``, ``details/``.

    Lines are added under a lock and written atomically: several processes may add to one record, and a kill
    loses nothing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / "results.csv"

    def runs(self) -> list[Run]:
        """Return all runs.

        Raises:
            ValueError: as :func:`read_runs`.
        """
        return read_runs(self.path)

    def add(self, runs: Iterable[Run]) -> None:
        """Add runs; one that is there already is replaced, and becomes the last.

        Raises:
            ValueError: as :func:`read_runs`; nothing is written then.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with locked(self.folder / ".results.lock"):
            new = {run.key: run for run in runs}
            kept = [run for run in self.runs() if run.key not in new]
            text = io.StringIO()
            writer = csv.writer(text, lineterminator="\n")
            writer.writerow(COLUMNS)
            writer.writerows([astuple(run) for run in (*kept, *new.values())])
            write_atomically(self.path, text.getvalue())

    def merge(self, path: Path) -> int:
        """Add the runs of another CSV file, with the details beside it; return their number.

        Raises:
            ValueError: naming the file, if it is missing or damaged; nothing is written then.
        """
        if not path.is_file():
            raise ValueError(f"--merge: expected a CSV file of runs, found {path}")
        runs, other = read_runs(path), Record(path.parent)
        for run in runs:
            if (details := other.details(run)) is not None and self.details(run) is None:
                self.keep(run, details)
        self.add(runs)
        return len(runs)

    def keep(self, run: Run, details: Details) -> None:
        """Write the details of a run."""
        path = self._details(run)
        path.parent.mkdir(parents=True, exist_ok=True)
        save(path, vars(details))

    def details(self, run: Run) -> Details | None:
        """Return the details of a run, None without them; a damaged file is named in a warning."""
        path = self._details(run)
        if not path.exists():
            return None
        try:
            found = load(path)
            check(path, found, SPEC)
        except DamagedFile as damage:
            warnings.warn(f"{damage}; it is left out of the plots", stacklevel=2)
            return None
        return Details(**{key: found[key] for key in SPEC})

    def _details(self, run: Run) -> Path:
        return self.folder / "details" / f"{run.stem}.pt"
