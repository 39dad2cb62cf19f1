"""Command ``fa-pyg dynamics``: molecular dynamics at constant energy with trained models."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from fa_pyg.options import printable
from fa_pyg.options.dynamics import dynamics

__all__ = ["main"]


def main(args: Sequence[str]) -> int:
    """Run the dynamics; return 0, even if a molecule breaks, 1 for NaN and infinity, 2 for bad input."""
    try:
        given = dynamics(args, "fa-pyg dynamics")
        from fa_pyg.dynamics import cli

        return cli.run(given)
    except (ValueError, OSError) as error:
        print(printable(f"error: {error}"), file=sys.stderr)
        return 2
