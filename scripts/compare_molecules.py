"""Compare frames for forces, one backbone on aspirin with all of them: ``fa-pyg reproduce molecules``.

``python scripts/compare_molecules.py`` trains every configuration with every seed for equal CPU time, one
after the other, and writes ``results.csv`` and ``table.md`` in ``runs/compare_molecules/minutes_8``. Finished
runs are not repeated, an interrupted one is resumed from its last checkpoint.
"""

from __future__ import annotations

import sys

from fa_pyg.cli import main

if __name__ == "__main__":
    sys.exit(main(["reproduce", "molecules", *sys.argv[1:]]))
