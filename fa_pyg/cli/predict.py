"""Command ``fa-pyg predict``: energies and forces of XYZ files, normals of scans."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

from fa_pyg.cli.helps import HELPS, asks, with_full_help

__all__ = ["main"]

HOMES = {"molecules": "fa_pyg.potential.predict", "normals": "fa_pyg.train.normals.predict"}


def main(args: Sequence[str]) -> int:
    """Predict for a task, the first argument; return 0, 1 or 2 as the module of the task does."""
    task, *given = args
    if asks(given):
        print(HELPS[f"predict {task}"], end="")
        return 0
    home = import_module(HOMES[task])
    return home.main(with_full_help(given), prog=f"fa-pyg predict {task}")
