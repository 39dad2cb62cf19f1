"""Train and test a model that estimates normals of point clouds.

``python scripts/train_normals.py --config configs/normals/fa_dgcnn.yaml --data.train_rotation "SO(3)"``;
after an interruption the same command with ``--ckpt_path last`` resumes. ``--data.shipped true`` takes the
few parts that come with the project; ``--data.source meshes --data.root FOLDER`` any folder of meshes.
``--print_config`` shows every setting.
"""

from __future__ import annotations

from fa_pyg.train import NormalsCLI, main

if __name__ == "__main__":
    main(make=NormalsCLI)
