"""Loggers that continue the tables and curves of a resumed run."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger

__all__ = ["ResumableCSVLogger", "loggers", "read_metrics"]


class ResumableCSVLogger(CSVLogger):
    """CSVLogger that keeps the rows of a run from before it was interrupted.

    Args:
        folder: of ``metrics.csv``.
        start: the step that the run is resumed from; later rows are dropped, as they are written again.
    """

    def __init__(self, folder: str | Path, start: int = 0) -> None:
        super().__init__(folder, name="", version="")
        self.start = start

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        if self._experiment is None:
            try:
                rows = [row for row in read_metrics(self.log_dir) if int(row["step"]) < self.start]
            except (KeyError, TypeError, ValueError, csv.Error) as error:
                path = Path(self.log_dir) / "metrics.csv"
                raise ValueError(f"{path}: expected the table of a run, found another ({error})") from error
            writer: Any = super().experiment
            writer.metrics.extend(rows)  # the new writer deletes the file
            writer.save()
        return self._experiment


def read_metrics(folder: str | Path) -> list[dict[str, str]]:
    """Return the rows of ``metrics.csv`` in a folder, without empty cells; none without this file."""
    path = Path(folder) / "metrics.csv"
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [{key: value for key, value in row.items() if value} for row in csv.DictReader(file)]


def loggers(folder: str | Path, start: int = 0) -> list[Logger]:
    """Return loggers that write ``metrics.csv`` and TensorBoard's event files in a folder, from a step on."""
    board = TensorBoardLogger(folder, name="", version="", default_hp_metric=False, purge_step=start)
    return [ResumableCSVLogger(folder, start), board]
