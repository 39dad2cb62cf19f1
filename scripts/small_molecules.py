"""Snapshots of five small molecules as extended XYZ, split by files: ``fa-pyg build molecules``.

``python scripts/small_molecules.py`` runs GFN2-xTB dynamics of each molecule at 400 K (three minutes in all)
and writes ``data/small/{train,val,test}/NH3.xyz`` and so on, with ``energy`` (eV) and ``forces`` (eV/Å).
"""

from __future__ import annotations

import sys

from fa_pyg.cli import main

if __name__ == "__main__":
    sys.exit(main(["build", "molecules", *sys.argv[1:]]))
