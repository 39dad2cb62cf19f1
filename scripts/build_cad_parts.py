"""Build mechanical parts as points with exact normals: ``fa-pyg build parts``.

``python scripts/build_cad_parts.py --root data/cad_parts --parts 2000 --jobs 2`` takes some minutes. A build
that was stopped continues; one with more ``--parts`` adds to those that exist. Needs ``build123d`` and
``bd_warehouse`` (``pip install "fa_pyg[cad]"``, Python >= 3.11) but no torch: another environment does:
``PYTHONPATH=. cadenv/bin/python scripts/build_cad_parts.py``.
"""

from __future__ import annotations

import sys

from fa_pyg.cli import main

if __name__ == "__main__":
    sys.exit(main(["build", "parts", *sys.argv[1:]]))
