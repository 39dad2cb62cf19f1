"""Command ``fa-pyg reproduce molecules``: one backbone on forces in all frames, beside others without."""

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
    "schnet": "SchNet (invariant)",
    "e3nn": "NequIP (equivariant, e3nn)",
    "haar": "FA-FAENet, random motions, evaluated in smooth frames",
    "consistent": "FA-FAENet, the same with a consistency loss",
    "full": "FA-FAENet, all 4 frames",
    "sampled": "FA-FAENet, 1 of 4 frames drawn",
    "sampled_direct": "FA-FAENet, 1 of 4 frames drawn, forces by a head",
    "one": "FA-FAENet, one frame, signs by third moments",
    "weighted": "FA-FAENet, weighted frames",
}
FIGURES = ("test_energy_mae_meV", "test_forces_mae_meV_per_A")
COLUMNS = ["name", "seed", *FIGURES, "val_loss", "epochs", "best_epoch", "parameters", "cpu_seconds"]
HEAD = """\
| model | energy MAE / meV | force MAE / meV/Å | parameters | epochs | CPU min | seeds |
|---|---|---|---|---|---|---|
"""


def main(args: Sequence[str]) -> int:
    """Run the command line; return 0, 1 if a training failed or it was interrupted, or 2 for bad input."""
    return outcome(_parser().parsed(args), _run)


def _run(given: argparse.Namespace) -> int:
    checks.number("--minutes", given.minutes, above=0)
    for seed in given.seeds:
        checks.integer("--seeds", seed, 0, 2**32 - 1)
    given.out = given.out / f"minutes_{given.minutes:g}"
    failed = 0
    for seed in given.seeds:
        for row in given.rows:
            failed |= attempt(f"{row}, seed {seed}", partial(_train, given, row, seed)) is None
            _write(given.out)
    print((given.out / "table.md").read_text())
    finished(given.out, failed)
    return int(failed)


def _train(given: argparse.Namespace, row: str, seed: int) -> dict[str, Any]:
    """Train for the given CPU time, once; return the results."""
    from fa_pyg.train import MoleculeCLI
    from fa_pyg.train.compare import affordable_epochs, trained

    sources = {"root": given.data, "molecule": given.molecule}
    splits = ("dataset", "val", "test")
    data = [f"--data.{split}.{key}={value}" for split in splits for key, value in sources.items()]
    config = configs() / "molecules" / f"aspirin_{row}.yaml"
    kept = given.out / "epochs" / f"{config.stem}.json"
    epochs = affordable_epochs(MoleculeCLI, config, data, 60 * given.minutes, kept)
    every = max(1, epochs // 20)
    lengths = [f"--trainer.max_epochs={epochs}", f"--trainer.check_val_every_n_epoch={every}"]
    options = [*data, *lengths, f"--checkpoint_every={every}"]
    return trained("molecules", config, seed, given.out / f"seed_{seed}", *options)


def _write(folder: Path) -> None:
    """Write all finished runs as CSV, and their means as a table."""
    from fa_pyg.train.results import read_result

    found = [read_result(path) for path in sorted(folder.glob("seed_*/*/finished.json"))]
    results = [one for one in found if one]
    with atomic_write(folder / "results.csv") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(results)
    write_atomically(folder / "table.md", HEAD + "".join(_line(row, results) for row in ROWS))


def _line(row: str, results: Sequence[dict[str, Any]]) -> str:
    """Return the line of a row, empty without runs."""
    runs = [one for one in results if one["name"] == f"aspirin_{row}"]
    if not runs:
        return ""
    energy, forces = (_spread([one[name] for one in runs]) for name in FIGURES)
    minutes = statistics.mean(one["cpu_seconds"] for one in runs) / 60
    sizes = f"{runs[0]['parameters']} | {runs[0]['epochs']} | {minutes:.1f} | {len(runs)}"
    return f"| {ROWS[row]} | {energy} | {forces} | {sizes} |\n"


def _spread(values: Sequence[float]) -> str:
    mean = f"{statistics.mean(values):.1f}"
    return f"{mean} ± {statistics.stdev(values):.1f}" if len(values) > 1 else mean


def _parser() -> Parser:
    what = (
        "Compare frames for forces: one backbone in all of them, beside networks without, for equal CPU time."
    )
    found = parser("molecules", what)
    add, home = found.add_argument, base()
    add("--minutes", type=float, default=8, help="of CPU time for each run (8)")
    add("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of the runs (0 1 2)")
    add("--rows", nargs="+", choices=ROWS, default=list(ROWS), help="of the table (all)")
    add("--molecule", default="aspirin", help="name, SMILES or XYZ file (aspirin)")
    add("--data", type=Path, default=home / "data" / "md", help="folder of the trajectory (data/md)")
    out = home / "runs" / "compare_molecules"
    add("--out", type=Path, default=out, help="of the results (runs/compare_molecules)")
    return found
