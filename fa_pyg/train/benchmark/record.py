"""Record of finished runs in a CSV file that several processes may add to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from fa_pyg.files import write_atomically
from fa_pyg.files.lock import locked
from fa_pyg.train.benchmark.lines import HasKey, Lines

__all__ = ["RunRecord"]

T = TypeVar("T", bound=HasKey)


class RunRecord(Generic[T]):
    """Record of runs in a folder: ``results.csv``.

    Lines are added under a lock and written atomically: several processes may add to one record, and a kill
    loses nothing.

    Args:
        folder: of the file.
        lines: its format.
    """

    def __init__(self, folder: Path, lines: Lines[T]) -> None:
        self.folder, self.path, self.lines = folder, folder / "results.csv", lines

    def runs(self) -> list[T]:
        """Return all runs.

        Raises:
            ValueError: as :meth:`~fa_pyg.train.benchmark.lines.Lines.read`.
        """
        return self.lines.read(self.path)

    def add(self, runs: Iterable[T]) -> None:
        """Add runs; one that is there already is replaced, and becomes the last.

        Raises:
            ValueError: as :meth:`runs`, and for a run that could not be read again; nothing is written then.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with locked(self.folder / ".results.lock"):
            new = {run.key: run for run in runs}
            kept = [run for run in self.runs() if run.key not in new]
            write_atomically(self.path, self.lines.text([*kept, *new.values()]))

    def merge(self, path: Path) -> int:
        """Add the runs of another CSV file, with what is kept beside it; return their number.

        Raises:
            ValueError: naming the file, if it or the record is missing or damaged; nothing is written then.
        """
        if not path.is_file():
            raise ValueError(f"--merge: expected a CSV file of runs, found {path}")
        runs = self.lines.read(path)
        self.runs()  # refuses a damaged record before anything is written
        self.take(path.parent, runs)
        self.add(runs)
        return len(runs)

    def take(self, folder: Path, runs: Sequence[T]) -> None:
        """Take over what another record keeps of runs beside its lines; by default nothing."""
