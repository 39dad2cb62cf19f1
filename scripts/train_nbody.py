"""Train and test a model on the n-body benchmark.

``python scripts/train_nbody.py --config configs/nbody/gnn.yaml``; after an interruption the same command with
``--ckpt_path last`` resumes. ``--print_config`` shows every setting.
"""

from __future__ import annotations

from fa_pyg.train import main

if __name__ == "__main__":
    main()
