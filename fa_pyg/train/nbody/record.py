"""Record of the n-body benchmark: finished runs in a CSV file, and the details of each in a file."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from fa_pyg.files import write_atomically
from fa_pyg.files.checked_json import DamagedFile
from fa_pyg.files.lock import locked
from fa_pyg.files.tensors import check, load, save
from fa_pyg.train.nbody.runs import Run, csv_text, read_runs, stem

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
            ValueError: as :func:`~fa_pyg.train.nbody.runs.read_runs`.
        """
        return read_runs(self.path)

    def add(self, runs: Iterable[Run]) -> None:
        """Add runs; one that is there already is replaced, and becomes the last.

        Raises:
            ValueError: as :meth:`runs`, and for a run that could not be read again; nothing is written then.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with locked(self.folder / ".results.lock"):
            new = {run.key: run for run in runs}
            kept = [run for run in self.runs() if run.key not in new]
            write_atomically(self.path, csv_text([*kept, *new.values()]))

    def merge(self, path: Path) -> int:
        """Add the runs of another CSV file, with the details beside it; return their number.

        Raises:
            ValueError: naming the file, if it or the record is missing or damaged; nothing is written then.
        """
        if not path.is_file():
            raise ValueError(f"--merge: expected a CSV file of runs, found {path}")
        runs, other = read_runs(path), Record(path.parent)
        self.runs()  # refuses a damaged record before any details are written
        for run in runs:
            if (details := other.details(run)) is not None:
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
            warnings.warn(f"{damage}; the run is left out of the plots", stacklevel=2)
            return None
        return Details(**{key: found[key] for key in SPEC})

    def _details(self, run: Run) -> Path:
        return self.folder / "details" / f"{stem(*run.key)}.pt"
