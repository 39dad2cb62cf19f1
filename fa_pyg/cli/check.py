"""Command ``fa-pyg check``: a report on whether any model is equivariant, conservative, continuous."""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fa_pyg.options import printable
from fa_pyg.options.check import check

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return 0 if no fault is found, 1 if there is one, 2 for what cannot be checked."""
    try:
        given = check(argv)
    except ValueError as error:
        print(printable(f"error: {error}"), file=sys.stderr)
        return 2
    try:
        report = _report(given)
        print(report.text(), end="")
        for path in _written(report, given):
            print(f"written: {path}")
        print(_next(report, given))
    except (ValueError, OSError) as error:
        print(printable(f"error: {error}"), file=sys.stderr)
        return 2
    except SystemExit as error:  # of the model: an exit of 0 must not pass for a verdict
        print(f"error: model: expected to return, found an exit ({error.code})", file=sys.stderr)
        return 2
    except KeyboardInterrupt as error:  # of the user, or of the model: not a verdict either
        print(f"error: interrupted{_where(error)}; there is no result", file=sys.stderr)
        return 2
    except BaseException:  # of the model, or of fa_pyg: Python would exit with 1, the verdict of a fault
        traceback.print_exc()
        print("error: model: expected one that can be checked; there is no result", file=sys.stderr)
        return 2
    return 0 if report.passed else 2 if report.is_empty else 1


def _next(report: Any, given: argparse.Namespace) -> str:
    """Say what can be done with a report."""
    if report.passed:
        return "next: as a line of a workflow or test suite: the exit status is 1 once there is a fault"
    if given.out:
        return f"next: the inputs of the largest errors are in {Path(given.out) / 'worst'}"
    return "next: --out FOLDER keeps the inputs of the largest errors, --html FILE draws a page"


def _where(error: BaseException) -> str:
    """Line at which the check was interrupted."""
    frames = traceback.extract_tb(error.__traceback__)
    return f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""


def _report(given: argparse.Namespace) -> Any:
    from fa_pyg.cli.check_targets import load_data, load_model
    from fa_pyg.groups import Group
    from fa_pyg.testing.reports import report

    group = Group.of(given.group)
    data = None if given.data is None else load_data(given.data)
    model = load_model(given.model, given.trust)
    shared = ("num", "dtype", "tol", "quick", "seed", "allow_errors")
    more = {name: getattr(given, name) for name in shared}
    return report(model, data, group, **given.read, **more, training=given.train)


def _written(report: Any, given: argparse.Namespace) -> list[Path]:
    found = []
    if given.html:
        from fa_pyg.files import write_atomically

        write_atomically(given.html, report.html())
        found.append(Path(given.html))
    return [*found, *(report.save(given.out) if given.out else [])]
