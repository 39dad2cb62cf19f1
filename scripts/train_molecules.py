"""Train and test a model on molecules: energies, forces, dipoles, or any other data.

``python scripts/train_molecules.py --config configs/molecules/xyz_folder.yaml``;
after an interruption the same command with ``--ckpt_path last`` resumes. ``--print_config`` shows every
setting.
"""

from __future__ import annotations

from fa_pyg.train import MoleculeCLI, main

if __name__ == "__main__":
    main(make=MoleculeCLI)
