"""Estimate the normals of scans with a model of ``train_normals.py``: ``fa-pyg predict normals``.

``python scripts/predict_normals.py runs/normals/fa_dgcnn/version_0 scan.ply -o out`` writes ``out/scan.ply``;
``--orient`` makes the signs consistent. Files that cannot be read are reported by name, and left out.
"""

from __future__ import annotations

import sys

from fa_pyg.cli import main

if __name__ == "__main__":
    sys.exit(main(["predict", "normals", *sys.argv[1:]]))
