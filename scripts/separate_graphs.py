"""Graph separation benchmark, GRAPH8c, EXP and EXP-classify: ``fa-pyg reproduce separation``.

``python scripts/separate_graphs.py`` makes the whole table, ``--config configs/separation/gin.yaml`` one row;
both write ``results.csv``, ``table.md`` and ``plot.png`` under ``runs/separation``. Finished parts are not
repeated, interrupted ones are resumed; the whole table takes hours on one core. Without internet access:
``--data exp-like``. A test of a minute: ``--quick``.
"""

from __future__ import annotations

import sys

from fa_pyg.cli import main

if __name__ == "__main__":
    sys.exit(main(["reproduce", "separation", *sys.argv[1:]]))
