"""Command ``fa-pyg reproduce separation``: GRAPH8c, EXP and EXP-classify, with soundness."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fa_pyg import checks
from fa_pyg.cli.named import find_config
from fa_pyg.cli.places import base, configs
from fa_pyg.cli.reproduce import QUICK, finished, outcome, parser
from fa_pyg.options import Parser

__all__ = ["PARTS", "ROWS", "main"]

PARTS = ("graph8c", "exp", "exp_classify")
DATA = {"exp": "EXP", "exp-like": "EXP-like"}
ROWS = ("gcn", "gat", "gin", "chebnet", "ppgn", "gnnml3", "ga_mlp", "fa_mlp_spectral", "fa_mlp_canonical")
ROWS += ("fa_mlp_canonical_spectral", "ga_gin_id", "fa_gin_id_spectral", "fa_gin_id_canonical")
ROWS += ("fa_gin_id_canonical_spectral",)
QUICKLY = {"initializations": 2, "seeds": (0,), "epochs": 2, "num_nodes": 6, "num_pairs": 12}


def main(args: Sequence[str]) -> int:
    """Run the command line; return 0, 1 if it was interrupted, or 2 for bad input."""
    return outcome(_parser().parsed(args), _run)


def _run(given: argparse.Namespace) -> int:
    paths = _paths(given)
    from fa_pyg.train.separation.benchmark import Benchmark
    from fa_pyg.train.separation.rows import Row, check
    from fa_pyg.train.separation.table import write

    rows = [Row.read(path, given.trust) for path in paths]
    for row in rows:
        check(row)
    given.out = given.out / given.data / ("quick" if given.quick else "")
    settings = {"initializations": given.initializations, "seeds": tuple(given.seeds)}
    benchmark = Benchmark(given.out, given.root, given.data, **(QUICKLY if given.quick else settings))
    if given.quick or given.data != "exp":  # the published figures are of other graphs or counts
        rows = [replace(row, published={}) for row in rows]
    found: list[dict] = []
    for one in benchmark.run(rows, given.parts):
        found.append(one)
        write(rows, found, given.out, DATA[given.data])
    print((given.out / "table.md").read_text())
    if given.quick:
        print(QUICK)
    finished(given.out)
    return 0


def _paths(given: argparse.Namespace) -> list[Path]:
    """Check the values of the options, and return the files of the rows, by default all."""
    if given.all and given.config:
        raise ValueError("--all, --config: expected one of them, found both")
    checks.integer("--initializations", given.initializations)
    for seed in given.seeds:
        checks.integer("--seeds", seed, 0, 2**32 - 1)
    if not given.config:
        return [configs() / "separation" / f"{name}.yaml" for name in ROWS]
    return [Path(one) if Path(one).is_file() else find_config(one, ["separation"]) for one in given.config]


def _parser() -> Parser:
    what = "Graphs that models tell apart: GRAPH8c, EXP and EXP-classify, with soundness."
    found = parser("separation", what)
    add, home = found.add_argument, base()
    add("--config", nargs="+", help="rows: names in `fa-pyg configs list graphs`, or files (all)")
    add("--all", action="store_true", help="all rows, as without --config")
    add("--parts", nargs="+", choices=PARTS, default=PARTS, help="of the benchmark (all)")
    add("--data", choices=tuple(DATA), default="exp", help="exp-like: generated, needs no internet")
    add("--root", type=Path, default=home / "data", help="folder of the data sets (data)")
    add("--initializations", type=int, default=100, help="models per count (100)")
    add("--initialisations", dest="initializations", type=int, help=argparse.SUPPRESS)
    add("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of training (0 1 2)")
    out = home / "runs" / "separation"
    add("--out", type=Path, default=out, help="of the results (runs/separation)")
    trust = "a class or module that --config may name, beside those of fa_pyg"
    add("--trust", action="append", default=[], metavar="NAME", help=trust)
    add("--quick", action="store_true", help="only test that everything runs, in a minute")
    return found
