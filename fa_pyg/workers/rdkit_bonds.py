"""Worker script: perceive bonds with RDKit's ``DetermineBonds``, whose search may not end."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["TASKS", "bonds", "versions"]


def bonds(z: list[int], pos: list[list[float]], charge: int) -> Iterator[dict[str, Any]]:
    """Yield one answer: begin, end and order of each bond."""
    from rdkit import Chem
    from rdkit.Chem.rdDetermineBonds import DetermineBonds

    molecule, conformer = Chem.RWMol(), Chem.Conformer(len(z))
    for i, (number, point) in enumerate(zip(z, pos, strict=True)):
        atom = Chem.Atom(number)
        atom.SetNoImplicit(True)
        molecule.AddAtom(atom)
        conformer.SetAtomPosition(i, point)
    molecule.AddConformer(conformer)
    DetermineBonds(molecule, charge=charge, embedChiral=False)
    Chem.SanitizeMol(molecule)  # makes aromatic bonds 1.5
    found = [(b.GetBeginAtomIdx(), b.GetEndAtomIdx(), b.GetBondTypeAsDouble()) for b in molecule.GetBonds()]
    yield {"bonds": found}


def versions() -> dict[str, str]:
    """Import RDKit, keep it quiet, and return its version."""
    from rdkit import rdBase

    rdBase.DisableLog("rdApp.*")
    return {"rdkit": rdBase.rdkitVersion}


TASKS = {"bonds": bonds}

if __name__ == "__main__":
    sys.path.pop(0)  # this folder, whose modules are not meant to be imported from the top
    runpy.run_path(str(Path(__file__).with_name("serve.py")))["serve"](TASKS, versions)
