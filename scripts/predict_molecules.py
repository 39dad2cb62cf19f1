"""Predict for XYZ files what a model was trained on.

``python scripts/predict_molecules.py RUN/best.ckpt *.xyz -o out.xyz`` writes extended XYZ; what cannot be
predicted is reported by file and line, and the rest is done.
"""

import sys

from fa_pyg.potential.predict import main

if __name__ == "__main__":
    sys.exit(main())
