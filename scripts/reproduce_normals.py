"""Train every model of point clouds in several regimes of rotation: ``fa-pyg reproduce normals``.

``python scripts/reproduce_normals.py --rows dgcnn fa_dgcnn --regimes I "SO(3)" --seeds 0 1 2 --minutes 30
--jobs 2 --points 256 --width 0.25 --k 16`` trains two rows, upright and turned, with three seeds, each for
half an hour of CPU time at most, two at once, tests them in every regime, with noise and with uneven density,
and adds them to ``runs/reproduce_normals/results.csv``. Finished trainings are not repeated, interrupted ones
are resumed. ``--task classes`` classifies the families of the parts instead. A test that everything runs, in
a minute or two, on the parts that come with the project: ``--quick``.
"""

from __future__ import annotations

import sys

from fa_pyg.cli import main

if __name__ == "__main__":
    sys.exit(main(["reproduce", "normals", *sys.argv[1:]]))
