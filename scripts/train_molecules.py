"""Train and test a model on molecules: ``fa-pyg train molecules``.

``python scripts/train_molecules.py --config configs/molecules/xyz_folder.yaml``;
after an interruption the same command with ``--ckpt_path last`` resumes. ``--print_config`` shows every
setting.
"""

from __future__ import annotations

import sys

from fa_pyg.cli import main

if __name__ == "__main__":
    sys.exit(main(["train", "molecules", *sys.argv[1:]]))
