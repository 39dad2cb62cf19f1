"""Build mechanical parts as points with exact normals, for ``fa_pyg.datasets.CADNormals``.

``python scripts/build_cad_parts.py --root data/cad_parts --parts 2000 --jobs 2`` takes some minutes. A build
that was stopped continues; one with more ``--parts`` adds to those that exist. Needs ``build123d`` and
``bd_warehouse`` (``pip install "fa_pyg[cad]"``, Python >= 3.11) but no torch: another environment does:
``PYTHONPATH=. cadenv/bin/python scripts/build_cad_parts.py``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from fa_pyg.cad.build import build_parts

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=ROOT / "data" / "cad_parts", help="folder of the parts")
    parser.add_argument("--parts", type=int, default=2000, help="how many in all (2000)")
    parser.add_argument("--points", type=int, default=4096, help="points of a part (4096)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (1)")
    parser.add_argument("--seconds", type=float, default=60.0, help="time limit of a part (60)")
    parser.add_argument("--families", nargs="+", help="only these families (all)")
    parser.add_argument("--retry", action="store_true", help="also those that failed before")
    given = vars(parser.parse_args())
    try:
        index = build_parts(given.pop("root"), **given)
    except (ImportError, TimeoutError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit("Interrupted. The same command resumes.")
    families = {one["family"] for one in index["parts"]}
    print(f"{len(index['parts'])} parts of {len(families)} families; {len(index['failed'])} failed")


if __name__ == "__main__":
    main()
