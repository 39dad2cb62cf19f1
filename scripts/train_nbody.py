"""Train and test a model on the n-body benchmark: ``fa-pyg train nbody``.

``python scripts/train_nbody.py --config configs/nbody/gnn.yaml``; after an interruption the same command with
``--ckpt_path last`` resumes. ``--print_config`` shows every setting.
"""

from __future__ import annotations

import sys

from fa_pyg.cli import main

if __name__ == "__main__":
    sys.exit(main(["train", "nbody", *sys.argv[1:]]))
