"""Train and test a model on molecules: energies, forces, dipoles, whatever the data have.

``python scripts/train_molecules.py --config configs/molecules/xyz_folder.yaml``;
after an interruption the same command with ``--ckpt_path last`` goes on. ``--print_config`` shows every
setting.
"""

from fa_pyg.train.cli import main
from fa_pyg.train.tasks.molecules import MoleculeCLI

if __name__ == "__main__":
    main(make=MoleculeCLI)
