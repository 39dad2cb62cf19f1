"""Command ``fa-pyg build parts``: mechanical parts with exact normals, for ``fa_pyg.datasets.CADNormals``.

Needs ``build123d`` and ``bd_warehouse`` but no torch: another environment does.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from fa_pyg.cli.places import base
from fa_pyg.options import Parser

__all__ = ["main"]


def main(args: Sequence[str]) -> int:
    """Run the command line; return 0, or 2 if nothing was done."""
    given = vars(_parser().parsed(args))
    root = given.pop("root")
    from fa_pyg.cad.build import build_parts

    try:
        index = build_parts(root, **given)
    except (ImportError, TimeoutError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if not index["parts"]:
        reason = index["failed"][0]["error"] if index["failed"] else "none was asked for"
        print(f"error: no part was built ({reason})", file=sys.stderr)
        return 2
    families = {one["family"] for one in index["parts"]}
    failed = len(index["failed"])
    print(f"{len(index['parts'])} parts of {len(families)} families in {root}; {failed} failed")
    print(f"next: fa-pyg train normals --config fa_dgcnn --data.root {root}")
    return 0


def _parser() -> Parser:
    what = "Build mechanical parts as points with exact normals. A build that was stopped continues."
    parser = Parser("fa-pyg build parts", what)
    add = parser.add_argument
    root = base() / "data" / "cad_parts"
    add("--root", type=Path, default=root, help="folder of the parts (data/cad_parts)")
    add("--parts", type=int, default=2000, help="how many in all (2000)")
    add("--points", type=int, default=4096, help="points of a part (4096)")
    add("--jobs", type=int, default=1, help="processes (1)")
    add("--seconds", type=float, default=60.0, help="time limit of a part (60)")
    add("--families", nargs="+", help="only these families (all)")
    add("--retry", action="store_true", help="also those that failed before")
    return parser
