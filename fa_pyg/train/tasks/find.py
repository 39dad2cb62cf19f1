"""The task of a run, by the settings in its configuration."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from fa_pyg.config.plain import read
from fa_pyg.train.cli import FitCLI
from fa_pyg.train.tasks.graphs import GraphCLI
from fa_pyg.train.tasks.molecules import MoleculeCLI
from fa_pyg.train.tasks.nbody import NBodyCLI
from fa_pyg.train.tasks.normals import ClassesCLI, NormalsCLI

__all__ = ["TASKS", "find_task"]

TASKS: tuple[type[FitCLI], ...] = (NBodyCLI, GraphCLI, MoleculeCLI, NormalsCLI, ClassesCLI)


def find_task(config: Path) -> type[FitCLI]:
    """Return the task that takes all settings of a ``config.yaml`` and has the fewest others.

    Runs of an earlier version have fewer settings than their task, and settings that the command line links
    are never in the file.

    Raises:
        ValueError: naming the file and its settings, if no task takes them.
    """
    settings = read(config)
    given = {name: _keys(settings.get(name)) for name in ("model", "data")}
    spare = {task: _spare(task, given) for task in TASKS}
    fitting = {task: number for task, number in spare.items() if number is not None}
    if not given["model"] or not fitting:
        names = ", ".join(task.__name__ for task in TASKS)
        found = "; ".join(f"{name}: {', '.join(sorted(keys)) or 'nothing'}" for name, keys in given.items())
        raise ValueError(f"{config}: expected the settings of one of {names}, found {found}")
    return min(fitting, key=lambda task: fitting[task])


def _keys(section: Any) -> set[str]:
    return set(map(str, section)) if isinstance(section, dict) else set()


def _spare(task: type[FitCLI], given: dict[str, set[str]]) -> int | None:
    """Return how many settings of a task are not given; None if it does not take all that are."""
    takes = {"model": _takes(task.module), "data": _takes(task.data)}
    if any(given[name] - takes[name] for name in given):
        return None
    return sum(len(takes[name] - given[name]) for name in given)


def _takes(kind: type) -> set[str]:
    return set(inspect.signature(kind).parameters)
