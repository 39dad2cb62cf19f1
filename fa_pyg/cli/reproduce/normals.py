"""Command ``fa-pyg reproduce normals``: train every model on CAD parts in several regimes of rotation."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from fa_pyg import checks
from fa_pyg.cli.places import base, configs, need_checkout
from fa_pyg.cli.reproduce import QUICK, check_files, finished, one_thread, outcome, parser
from fa_pyg.options import Parser

__all__ = ["REGIMES", "SOURCES", "TASKS", "main"]

TASKS = ("normals", "classes")
REGIMES = ("I", "z", "SO(3)", "O(3)")
SOURCES = ("abc", "cad", "meshes", "pcpnet")
SETTINGS = ("task", "source", "splitting", "shipped", "parts", "evaluated", "points", "width", "k")
SETTINGS += ("batch_size", "epochs", "minutes", "equal_time", "accelerator")
QUICKLY = {"shipped": True, "parts": 16, "evaluated": 4, "points": 64, "width": 0.05, "k": 8, "batch_size": 4}
QUICKLY |= {"splitting": "random", "epochs": 2, "minutes": None, "equal_time": False, "rounds": 2}
QUICKLY |= {"seeds": [0]}


def main(args: Sequence[str]) -> int:
    """Run the command line; return 0, 1 if a training failed or it was interrupted, or 2 for bad input."""
    return outcome(_parser().parsed(args), _run)


def _run(given: argparse.Namespace) -> int:
    _check(given)
    one_thread()
    # For the processes that train: glibc keeps freed memory, and large tensors need no new pages every step.
    os.environ.setdefault("MALLOC_MMAP_MAX_", "0")
    os.environ.setdefault("MALLOC_TRIM_THRESHOLD_", str(2**34))
    from fa_pyg.train.normals.benchmark import Benchmark
    from fa_pyg.train.normals.reproduce import Reproduction

    settings = {name: getattr(given, name) for name in SETTINGS}
    progress = given.jobs == 1 and sys.stderr.isatty()
    benchmark = Benchmark(given.out, given.data, **settings, progress=progress)
    root = need_checkout("--write-docs") if given.write_docs else None
    whole = Reproduction(benchmark, configs() / "normals", given.rounds, root)
    failed = whole.run(given.rows, given.regimes, given.seeds, given.jobs, given.merge)
    if given.quick:
        print(QUICK)
    finished(given.out, failed)
    return failed


def _check(given: argparse.Namespace) -> None:
    """Check the values of the options, and fill in those of a quick run."""
    for seed in given.seeds:
        checks.integer("--seeds", seed, 0, 2**32 - 1)
    for name in ("parts", "evaluated", "k", "epochs"):
        checks.integer(f"--{name}", getattr(given, name), optional=True)
    for name in ("points", "batch_size", "jobs"):
        checks.integer(f"--{name.replace('_', '-')}", getattr(given, name))
    checks.number("--width", given.width, above=0)
    checks.number("--minutes", given.minutes, above=0, optional=True)
    checks.integer("--rounds", given.rounds, 0)
    check_files(given, "normals")
    if given.quick and given.write_docs:
        raise ValueError("--write-docs: expected a run without --quick, found both")
    if given.write_docs:
        need_checkout("--write-docs")
    if given.equal_time and given.minutes is None:
        raise ValueError("--equal-time: expected --minutes with it, found none")
    if given.splitting is None:
        given.splitting = "family" if given.task == "normals" else "random"
    given.out, given.data = given.out.resolve() / ("quick" if given.quick else ""), given.data.resolve()
    vars(given).update(QUICKLY if given.quick else {})


def _parser() -> Parser:
    what = "Train every model in several regimes of rotation, test it in all of them, and write the tables."
    found = parser("normals", what)
    add, home = found.add_argument, base()
    add("--rows", nargs="+", help="names in `fa-pyg configs list normals`, or files (all)")
    add("--task", choices=TASKS, default="normals", help="what is learned (normals)")
    add("--regimes", nargs="+", choices=REGIMES, default=["I", "SO(3)"], help="rotations in training")
    add("--seeds", type=int, nargs="*", default=[0, 1, 2], help="of the runs (0 1 2); none: no training")
    add("--parts", type=int, help="parts in training, at most (all)")
    add("--evaluated", type=int, help="parts in validation and test each, at most (all)")
    add("--source", choices=SOURCES, default="cad", help="of the data (cad)")
    add("--splitting", choices=("family", "random"), help="(family; random for classes)")
    add("--shipped", action="store_true", help="take the few parts that come with fa_pyg")
    add("--points", type=int, default=512, help="of a cloud (512)")
    add("--width", type=float, default=1.0, help="multiplies the published widths of all rows (1)")
    add("--k", type=int, help="number of neighbors in all rows (as published)")
    add("--batch-size", type=int, default=32, help="clouds per step (32)")
    add("--epochs", type=int, help="of training (those of the configuration)")
    add("--minutes", type=float, help="CPU time of training of a row, regime and seed, at most")
    add("--equal-time", action="store_true", help="train for all of the minutes, however many epochs")
    add("--jobs", type=int, default=1, help="runs at once, one thread each (1)")
    add("--accelerator", choices=("cpu", "cuda"), default="cpu", help="of training (cpu)")
    add("--merge", type=Path, nargs="+", default=[], help="results.csv of other machines")
    add("--rounds", type=int, default=10, help="of timed forward passes; 0: nothing measured again (10)")
    add("--write-docs", action="store_true", help="write the tables into the docs of a checkout")
    add("--data", type=Path, default=home / "data" / "cad", help="folder of the data set (data/cad)")
    out = home / "runs" / "reproduce_normals"
    add("--out", type=Path, default=out, help="of the results (runs/reproduce_normals)")
    add("--quick", action="store_true", help="only test that everything runs, in a minute or two")
    return found
