"""Command ``fa-pyg predict``: energies and forces of XYZ files, normals of scans."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from fa_pyg.options import predict, printable

__all__ = ["main"]

HOMES = {"molecules": "fa_pyg.potential.predict", "normals": "fa_pyg.train.normals.predict"}


def main(args: Sequence[str]) -> int:
    """Predict for a task, the first argument; return 0, 1 or 2 as the module of the task does."""
    task, *words = args
    try:
        given = getattr(predict, task)(words, f"fa-pyg predict {task}")
        return import_module(HOMES[task]).run(given)
    except (ValueError, OSError) as error:
        print(printable(f"error: {error}"), file=sys.stderr)
        return 2
