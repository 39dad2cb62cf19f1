"""Predict energies, forces, ... for XYZ files with a trained model: ``fa-pyg predict molecules``.

``python scripts/predict_molecules.py RUN/best.ckpt *.xyz -o out.xyz`` writes extended XYZ; molecules without
predictions are reported by file and line, and left out.
"""

from __future__ import annotations

import sys

from fa_pyg.cli import main

if __name__ == "__main__":
    sys.exit(main(["predict", "molecules", *sys.argv[1:]]))
