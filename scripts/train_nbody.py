"""Train and test a model on the n-body benchmark.

``python scripts/train_nbody.py --config configs/nbody/gnn.yaml``; after an interruption the same command with
``--ckpt_path last`` goes on. ``--print_config`` shows every setting.
"""

from fa_pyg.train.cli import main

if __name__ == "__main__":
    main()
