"""Record of the n-body benchmark: finished runs in a CSV file, and the details of each in a file."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from fa_pyg.files.checked_json import DamagedFile
from fa_pyg.files.tensors import check, load, save
from fa_pyg.train.benchmark.record import RunRecord
from fa_pyg.train.nbody.runs import LINES, Run, stem

__all__ = ["Details", "Record"]


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


class Record(RunRecord[Run]):
    """Record of runs, and of their details, in a folder: ``results.csv``, ``details/``."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, LINES)

    def take(self, folder: Path, runs: Sequence[Run]) -> None:
        other = Record(folder)
        for run in runs:
            if (details := other.details(run)) is not None:
                self.keep(run, details)

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
            warnings.warn(f"{damage}; the run is left out of the plots", stacklevel=2)
            return None
        return Details(**{key: found[key] for key in SPEC})

    def _details(self, run: Run) -> Path:
        return self.folder / "details" / f"{stem(*run.key)}.pt"
