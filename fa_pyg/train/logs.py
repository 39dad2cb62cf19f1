"""Loggers that continue the tables and curves of a resumed run."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger

__all__ = ["ResumableCSVLogger", "all_loggers", "check_logger", "loggers", "read_metrics"]


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


def all_loggers(given: Any, folder: str | Path, start: int = 0) -> Any:
    """Return :func:`loggers`, which curves and resumption need, and those of the configuration.

    Args:
        given: the ``logger`` of the trainer: a logger or several, None, or True or False, which are returned.
        folder, start: as for :func:`loggers`.
    """
    if isinstance(given, bool):
        return given
    others = [given] if isinstance(given, Logger) else list(given or [])
    own = loggers(folder, start)
    return [*(one for one in own if not any(isinstance(one, type(other)) for other in others)), *others]


def check_logger(settings: Any) -> None:
    """Raise ValueError for a logger whose package is not installed, and say how to install it."""
    if "WandbLogger" in "".join(_names(settings)) and find_spec("wandb") is None:
        raise ValueError("--trainer.logger: expected wandb (pip install 'fa_pyg[wandb]'), found none")


def _names(settings: Any) -> Iterator[str]:
    """Yield the classes that settings name."""
    if isinstance(settings, list):
        for one in settings:
            yield from _names(one)
    elif isinstance(settings, Mapping) or hasattr(settings, "class_path"):
        yield str(settings["class_path"])
