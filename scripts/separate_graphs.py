"""Which graphs can a model tell apart: the benchmark of GRAPH8c, EXP and EXP-classify, with soundness.

``python scripts/separate_graphs.py`` makes the whole table, ``--config configs/separation/gin.yaml`` one row;
both write ``results.csv``, ``table.md`` and ``plot.png`` under ``runs/separation``. What is finished is not
run again, what was interrupted goes on; all of it takes hours on one core. Without a network: ``--data
exp-like``. A test of a minute: ``--quick``.
"""

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
QUICK = {"initialisations": 2, "seeds": (0,), "epochs": 2, "num_nodes": 6, "num_pairs": 12}


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
    settings = {"initialisations": given.initialisations, "seeds": tuple(given.seeds)}
    benchmark = Benchmark(out, given.root, given.data, **(QUICK if given.quick else settings))
    if given.quick or given.data != "exp":  # of other graphs, or other counts, than the published figures
        rows = [replace(row, published={}) for row in rows]
    found: list[dict] = []
    try:
        for one in benchmark.run(rows, parts):
            found.append(one)
            write(rows, found, out, {"exp": "EXP", "exp-like": "EXP-like"}[given.data])
    except KeyboardInterrupt:
        sys.exit(f"Interrupted. The same command goes on; what is finished is in {out}")
    print((out / "table.md").read_text())


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", type=Path, nargs="+", help="rows of the table; all unless said")
    parser.add_argument("--all", action="store_true", help="all rows, as without --config")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="all unless said")
    parser.add_argument("--data", choices=("exp", "exp-like"), default="exp", help="exp-like: generated")
    parser.add_argument("--root", type=Path, default=ROOT / "data", help="folder of the data sets (data)")
    parser.add_argument("--initialisations", type=int, default=100, help="models a count (100)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of training (0 1 2)")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "separation", help="where results go")
    parser.add_argument(
        "--trust",
        action="append",
        default=[],
        help="a class or module that --config may name, beside fa_pyg's",
    )
    parser.add_argument("--quick", action="store_true", help="smallest of all: no figure means anything")
    given = parser.parse_args()
    for number, path in enumerate(given.config or ()):  # names of rows will do
        if not path.is_file() and (CONFIGS / f"{path}.yaml").is_file():
            given.config[number] = CONFIGS / f"{path}.yaml"
        elif not path.is_file():
            parser.error(f"--config: there is no {path}; rows are {', '.join(ROWS)}")
    if given.all and given.config:
        parser.error("--all and --config: expected one of them")
    return given


if __name__ == "__main__":
    main()
