"""Train every model of the n-body table on the same data, and write the table: ``fa-pyg reproduce nbody``.

``python scripts/reproduce_nbody.py --rows egnn fa_gnn --seeds 0 1 2 --minutes 60 --jobs 2`` trains two rows
with three seeds, each for an hour of CPU time at most, two at once, and adds them to
``runs/reproduce_nbody/results.csv``. Finished runs are not repeated, interrupted ones are resumed. A test
that everything runs, in minutes: ``--quick``.
"""

from __future__ import annotations

import sys

from fa_pyg.cli import main

if __name__ == "__main__":
    sys.exit(main(["reproduce", "nbody", *sys.argv[1:]]))
