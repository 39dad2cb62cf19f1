"""Train and test a model on the n-body benchmark: python scripts/train_nbody.py --config configs/nbody/gnn.yaml

Go on after an interruption with the same command and ``--ckpt_path last``; see every setting with ``--print_config``.
"""

from fa_pyg.train.cli import main

if __name__ == "__main__":
    main()
