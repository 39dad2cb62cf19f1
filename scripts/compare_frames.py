"""Compare frames in training, one backbone on n-body data with all of them: ``fa-pyg reproduce frames``.

``python scripts/compare_frames.py`` trains every configuration with every seed, one after the other, and
writes ``runs/compare_frames/results.csv`` and ``table.md``. Finished runs are not repeated, an interrupted
one is resumed from its last checkpoint.
"""

from __future__ import annotations

import sys

from fa_pyg.cli import main

if __name__ == "__main__":
    sys.exit(main(["reproduce", "frames", *sys.argv[1:]]))
