"""Test energy conservation, by dynamics with several trained models: ``fa-pyg dynamics``.

``python scripts/run_dynamics.py RUN/best.ckpt [OTHER/best.ckpt ...] -o out`` starts all of them from a
molecule of the test set of the first run, or from ``--xyz start.xyz``, and writes ``results.json``,
``energy.png`` and, in a folder for each, ``energy.csv`` and ``trajectory.xyz``.
"""

from __future__ import annotations

import sys

from fa_pyg.cli import main

if __name__ == "__main__":
    sys.exit(main(["dynamics", *sys.argv[1:]]))
