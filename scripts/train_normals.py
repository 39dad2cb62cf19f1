"""Train and test a model that estimates normals of point clouds: ``fa-pyg train normals``.

``python scripts/train_normals.py --config configs/normals/fa_dgcnn.yaml --data.train_rotation "SO(3)"``;
after an interruption the same command with ``--ckpt_path last`` resumes. ``--data.shipped true`` takes the
few parts that come with the project; ``--data.source meshes --data.root FOLDER`` any folder of meshes.
``--print_config`` shows every setting.
"""

from __future__ import annotations

import sys

from fa_pyg.cli import main

if __name__ == "__main__":
    sys.exit(main(["train", "normals", *sys.argv[1:]]))
