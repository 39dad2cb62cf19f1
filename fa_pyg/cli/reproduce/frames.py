"""Command ``fa-pyg reproduce frames``: one backbone on n-body data in all frames, for equally many steps."""

from __future__ import annotations

import argparse
import csv
import statistics
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from fa_pyg import checks
from fa_pyg.cli.places import base, configs
from fa_pyg.cli.reproduce import attempt, finished, outcome, parser
from fa_pyg.files import atomic_write, write_atomically
from fa_pyg.options import Parser

__all__ = ["main"]

ROWS = {
    "gnn": "no frames",
    "fa_gnn_full": "all 8 PCA frames",
    "fa_gnn_sampled": "1 of 8 PCA frames; evaluated with 8",
    "fa_gnn_weighted": "weighted",
    "fa_gnn_weighted_sampled": "1 weighted, drawn; evaluated with all",
    "fa_gnn_learned": "learned",
    "fa_gnn_haar": "a random motion; evaluated with 8 PCA frames",
    "fa_gnn_haar_weighted": "a random motion; evaluated with weighted",
}
COLUMNS = ["name", "seed", "epochs", "best_epoch", "val_mse", "test_mse", "parameters", "cpu_seconds"]
HEAD = "| frame in training | test MSE | standard deviation | seeds |\n|---|---|---|---|\n"


def main(args: Sequence[str]) -> int:
    """Run the command line; return 0, 1 if a training failed or it was interrupted, or 2 for bad input."""
    return outcome(_parser().parsed(args), _run)


def _run(given: argparse.Namespace) -> int:
    checks.integer("--epochs", given.epochs)
    for seed in given.seeds:
        checks.integer("--seeds", seed, 0, 2**32 - 1)
    from fa_pyg.train.compare import trained

    options = [f"--data.root={given.data}", f"--trainer.max_epochs={given.epochs}"]
    results, failed = [], 0
    for seed in given.seeds:
        for row in given.configs:
            folder = given.out / f"epochs_{given.epochs}" / f"seed_{seed}"
            run = partial(trained, "nbody", configs() / "nbody" / f"{row}.yaml", seed, folder, *options)
            result = attempt(f"{row}, seed {seed}", run)
            results += [result] if result else []
            failed |= result is None
            _write(results, given.out)
    print((given.out / "table.md").read_text())
    finished(given.out, failed)
    return int(failed)


def _write(results: Sequence[dict[str, Any]], out: Path) -> None:
    """Write the finished runs as CSV, and their means as a table."""
    with atomic_write(out / "results.csv") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(results)
    write_atomically(out / "table.md", HEAD + "".join(_line(row, results) for row in ROWS))


def _line(row: str, results: Sequence[dict[str, Any]]) -> str:
    """Return the line of a row, empty without runs."""
    errors = [one["test_mse"] for one in results if one["name"] == row]
    spread = f"{statistics.stdev(errors):.5f}" if len(errors) > 1 else ""
    return f"| {ROWS[row]} | {statistics.mean(errors):.5f} | {spread} | {len(errors)} |\n" if errors else ""


def _parser() -> Parser:
    what = "Compare frames in training: one backbone on n-body data with all of them, for equally many steps."
    found = parser("frames", what)
    add, home = found.add_argument, base()
    add("--epochs", type=int, default=100, help="of each run (100)")
    add("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of the runs (0 1 2)")
    add("--configs", nargs="+", choices=ROWS, default=list(ROWS), help="of the table (all)")
    add("--data", type=Path, default=home / "data" / "nbody", help="folder of the data (data/nbody)")
    out = home / "runs" / "compare_frames"
    add("--out", type=Path, default=out, help="of the results (runs/compare_frames)")
    return found
