"""Tables and curves of a run, which go on where the run goes on."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger


class ResumableCSVLogger(CSVLogger):
    """A CSVLogger that keeps what its run had written before it was interrupted.

    Args:
        folder: where ``metrics.csv`` is.
        start: the step from which the run goes on; later rows are dropped, as they will be written again.
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
            super().experiment.metrics.extend(rows)  # the new writer has deleted the file
            self._experiment.save()
        return self._experiment


def read_metrics(folder: str | Path) -> list[dict[str, str]]:
    """The rows of ``metrics.csv`` in this folder, without empty cells; none where there is no such file."""
    path = Path(folder) / "metrics.csv"
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [{key: value for key, value in row.items() if value} for row in csv.DictReader(file)]


def loggers(folder: str | Path, start: int = 0) -> list[Logger]:
    """``metrics.csv`` and TensorBoard's event files, both straight in this folder, from this step on."""
    board = TensorBoardLogger(folder, name="", version="", default_hp_metric=False, purge_step=start)
    return [ResumableCSVLogger(folder, start), board]
