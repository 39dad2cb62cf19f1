"""Graph separation benchmark: GRAPH8c, EXP and EXP-classify, with soundness.

``python scripts/separate_graphs.py`` makes the whole table, ``--config configs/separation/gin.yaml`` one row;
both write ``results.csv``, ``table.md`` and ``plot.png`` under ``runs/separation``. Finished parts are not
repeated, interrupted ones are resumed; the whole table takes hours on one core. Without internet access:
``--data exp-like``. A test of a minute: ``--quick``.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from fa_pyg.train.separation.benchmark import Benchmark
from fa_pyg.train.separation.rows import PARTS, Row, check
from fa_pyg.train.separation.table import write

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = ROOT / "configs" / "separation"
ROWS = ("gcn", "gat", "gin", "chebnet", "ppgn", "gnnml3")
ROWS += (
    "ga_mlp",
    "fa_mlp_spectral",
    "fa_mlp_canonical",
    "fa_mlp_canonical_spectral",
    "ga_gin_id",
    "fa_gin_id_spectral",
    "fa_gin_id_canonical",
    "fa_gin_id_canonical_spectral",
)
QUICK = {"initializations": 2, "seeds": (0,), "epochs": 2, "num_nodes": 6, "num_pairs": 12}


def main() -> None:
    given = arguments()
    parts = given.parts
    try:
        paths = given.config or [CONFIGS / f"{name}.yaml" for name in ROWS]
        rows = [Row.read(path, given.trust) for path in paths]
        for row in rows:
            check(row)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    out = given.out / given.data / "quick" if given.quick else given.out / given.data
    settings = {"initializations": given.initializations, "seeds": tuple(given.seeds)}
    benchmark = Benchmark(out, given.root, given.data, **(QUICK if given.quick else settings))
    if given.quick or given.data != "exp":  # the published figures are of other graphs or counts
        rows = [replace(row, published={}) for row in rows]
    found: list[dict] = []
    try:
        for one in benchmark.run(rows, parts):
            found.append(one)
            write(rows, found, out, {"exp": "EXP", "exp-like": "EXP-like"}[given.data])
    except KeyboardInterrupt:
        sys.exit(f"Interrupted. The same command resumes; finished parts are in {out}")
    print((out / "table.md").read_text())


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, nargs="+", help="rows of the table (all)")
    parser.add_argument("--all", action="store_true", help="all rows, as without --config")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="of the benchmark (all)")
    parser.add_argument("--data", choices=("exp", "exp-like"), default="exp", help="exp-like: generated")
    parser.add_argument("--root", type=Path, default=ROOT / "data", help="folder of the data sets (data)")
    parser.add_argument("--initializations", type=int, default=100, help="models per count (100)")
    parser.add_argument("--initialisations", dest="initializations", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of training (0 1 2)")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "separation", help="of the results")
    parser.add_argument(
        "--trust",
        action="append",
        default=[],
        help="a class or module that --config may name, beside those of fa_pyg",
    )
    parser.add_argument("--quick", action="store_true", help="only test that everything runs")
    given = parser.parse_args()
    for number, path in enumerate(given.config or ()):  # or names of rows
        if not path.is_file() and (CONFIGS / f"{path}.yaml").is_file():
            given.config[number] = CONFIGS / f"{path}.yaml"
        elif not path.is_file():
            parser.error(f"--config: expected files or rows ({', '.join(ROWS)}), found {path}")
    if given.all and given.config:
        parser.error("--all, --config: expected one of them, found both")
    return given


if __name__ == "__main__":
    main()
