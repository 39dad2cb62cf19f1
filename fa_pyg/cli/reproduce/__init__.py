"""Commands ``fa-pyg reproduce``: all trainings of a table, resumable. Options are checked without torch."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from fa_pyg.cli.named import find_config
from fa_pyg.files import check_folder
from fa_pyg.files.runs import missing
from fa_pyg.options import Parser

__all__ = ["QUICK", "attempt", "check_files", "finished", "one_thread", "outcome", "parser"]

QUICK = "QUICK RUN, ONLY A TEST THAT EVERYTHING WORKS: THE FIGURES ABOVE MEAN NOTHING"

T = TypeVar("T")


def parser(table: str, description: str) -> Parser:
    """Return the parser of a table, without options."""
    return Parser(f"fa-pyg reproduce {table}", description)


def outcome(given: argparse.Namespace, run: Callable[[argparse.Namespace], int]) -> int:
    """Run a benchmark; return 1 if a part failed or it was interrupted, 2 for input that is wrong."""
    try:
        check_folder(given.out)
        return run(given)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except FloatingPointError as error:  # a training that diverged
        print(f"error: {error}; finished runs are in {given.out}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\nInterrupted. The same command resumes; finished runs are in {given.out}", file=sys.stderr)
        return 1


def attempt(name: str, train: Callable[[], T]) -> T | None:
    """Train a model; None, and an error that does not end the others, if that fails."""
    try:
        return train()
    except subprocess.CalledProcessError as error:  # it has said more
        found = f"exit status {error.returncode}"
    except FloatingPointError as error:
        found = f"others ({error})"
    print(f"error: {name}: expected a training to end well, found {found}", file=sys.stderr, flush=True)
    return None


def check_files(given: argparse.Namespace, folder: str) -> None:
    """Refuse rows that are neither files nor configurations, and results of others that do not exist.

    Raises:
        ValueError: naming the option and the row or file.
    """
    for row in given.rows or ():
        if not Path(row).is_file():
            find_config(row, [folder], "--rows")
    if gone := missing(given.merge):
        raise ValueError(f"--merge: expected a CSV file of runs, found {gone[0]}")


def one_thread() -> None:
    """Let every process compute on one thread; has no effect on a torch that is loaded."""
    os.environ["OMP_NUM_THREADS"] = "1"


def finished(out: Path, failed: int = 0) -> None:
    """Say where the results are, and how there come to be more."""
    again, others = "the same command runs again what failed", "other rows, seeds and lengths add to them"
    print(f"table, plots and runs in {out}")
    print(f"next: {again if failed else others}; finished runs are not repeated")
