"""Command ``fa-pyg reproduce nbody``: train every model of the n-body table, and write the table."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from fa_pyg import checks
from fa_pyg.cli.places import base, configs, need_checkout
from fa_pyg.cli.reproduce import QUICK, check_files, finished, one_thread, outcome, parser
from fa_pyg.options import Parser

__all__ = ["main"]

SETTINGS = ("train_samples", "eval_samples", "particles", "epochs", "minutes", "accelerator")
QUICKLY = {"train_samples": 20, "eval_samples": 20, "epochs": 2, "minutes": None, "rounds": 3}


def main(args: Sequence[str]) -> int:
    """Run the command line; return 0, 1 if a run failed or it was interrupted, or 2 for bad input."""
    return outcome(_parser().parsed(args), _run)


def _run(given: argparse.Namespace) -> int:
    _check(given)
    one_thread()
    from fa_pyg.train.nbody.benchmark import Benchmark
    from fa_pyg.train.nbody.reproduce import Reproduction

    settings = {name: getattr(given, name) for name in SETTINGS}
    progress = given.jobs == 1 and sys.stderr.isatty()
    benchmark = Benchmark(given.out, given.data, **settings, progress=progress)
    root = need_checkout("--write-docs") if given.write_docs else None
    whole = Reproduction(benchmark, configs() / "nbody", given.rounds, root)
    failed = whole.run(given.rows, given.seeds, given.jobs, given.merge)
    if given.quick:
        print(QUICK)
    finished(given.out, failed)
    return failed


def _check(given: argparse.Namespace) -> None:
    """Check the values of the options, and fill in those of a quick run."""
    for seed in given.seeds:
        checks.integer("--seeds", seed, 0, 2**32 - 1)
    checks.integer("--train-samples", given.train_samples, 1, 10_000)
    checks.integer("--eval-samples", given.eval_samples, 1, 2000)
    checks.integer("--particles", given.particles, 2)
    checks.integer("--epochs", given.epochs, optional=True)
    checks.number("--minutes", given.minutes, above=0, optional=True)
    checks.integer("--jobs", given.jobs)
    checks.integer("--rounds", given.rounds, 0)
    check_files(given, "nbody")
    if given.quick and given.write_docs:
        raise ValueError("--write-docs: expected a run without --quick, found both")
    if given.write_docs:
        need_checkout("--write-docs")
    given.out, given.data = given.out.resolve() / ("quick" if given.quick else ""), given.data.resolve()
    vars(given).update(QUICKLY if given.quick else {})


def _parser() -> Parser:
    found = parser("nbody", "Train every model of the n-body table on the same data, and write the table.")
    add, home = found.add_argument, base()
    add("--rows", nargs="+", help="names in `fa-pyg configs list nbody`, or files (all)")
    add("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of the runs (0 1 2)")
    add("--train-samples", type=int, default=3000, help="systems in training (3000)")
    add("--eval-samples", type=int, default=2000, help="in validation and test each (2000)")
    add("--particles", type=int, default=5, help="of each system (5)")
    add("--epochs", type=int, help="of training (those of the configuration)")
    add("--minutes", type=float, help="CPU time of training of a row and seed, at most")
    add("--jobs", type=int, default=1, help="runs at once, one thread each (1)")
    add("--accelerator", choices=("cpu", "cuda"), default="cpu", help="of training (cpu)")
    add("--merge", type=Path, nargs="+", default=[], help="results.csv of other machines")
    add("--rounds", type=int, default=50, help="of timed forward passes; 0: not again (50)")
    add("--write-docs", action="store_true", help="write the tables into README and docs of a checkout")
    add("--data", type=Path, default=home / "data" / "nbody", help="folder of the data (data/nbody)")
    out = home / "runs" / "reproduce_nbody"
    add("--out", type=Path, default=out, help="of the results (runs/reproduce_nbody)")
    add("--quick", action="store_true", help="only test that everything runs, in minutes")
    return found
