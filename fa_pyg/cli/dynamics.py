"""Command ``fa-pyg dynamics``: molecular dynamics at constant energy with trained models."""

from __future__ import annotations

from collections.abc import Sequence

from fa_pyg.cli.helps import HELPS, asks, with_full_help

__all__ = ["main"]


def main(args: Sequence[str]) -> int:
    """Run the dynamics; return 0, even if a molecule breaks, or 2 for bad input."""
    if asks(args):
        print(HELPS["dynamics"], end="")
        return 0
    from fa_pyg.dynamics import cli

    return cli.main(with_full_help(args), prog="fa-pyg dynamics")
