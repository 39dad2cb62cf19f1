"""Train and test a model that classifies point clouds: ``fa-pyg train shapes``.

``python scripts/train_shapes.py --config configs/normals/fa_dgcnn.yaml --model.model.init_args.num_classes
40``, with as many classes as the data set has families; after an interruption the same command with
``--ckpt_path last`` resumes. ``--print_config`` shows every setting.
"""

from __future__ import annotations

import sys

from fa_pyg.cli import main

if __name__ == "__main__":
    sys.exit(main(["train", "shapes", *sys.argv[1:]]))
