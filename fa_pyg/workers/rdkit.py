"""A process that perceives bonds with RDKit: one JSON request a line in, one JSON answer a line out.

It is run as a script, not imported, because RDKit may run for ever and only a process can be stopped.
"""

from __future__ import annotations

import json
import os
import runpy
import signal
import sys
from pathlib import Path

end_with_parent = runpy.run_path(str(Path(__file__).with_name("parent.py")))["end_with_parent"]


def bonds(z: list[int], pos: list[list[float]], charge: int) -> list[tuple[int, int, float]]:
    """Begin, end and order of each bond."""
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
    return [(b.GetBeginAtomIdx(), b.GetEndAtomIdx(), b.GetBondTypeAsDouble()) for b in molecule.GetBonds()]


def main(seconds: float) -> None:
    """Answers requests until the input ends."""
    from rdkit import RDLogger, rdBase

    RDLogger.DisableLog("rdApp.*")
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever else is printed cannot get among the answers
    print(json.dumps({"rdkit": rdBase.rdkitVersion}), file=answers)
    for line in sys.stdin:
        if hasattr(signal, "alarm"):  # ends the process even inside RDKit if nobody is left to kill it
            signal.alarm(int(seconds) + 5)
        try:
            answer = {"bonds": bonds(**json.loads(line))}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
        if hasattr(signal, "alarm"):
            signal.alarm(0)
        print(json.dumps(answer), file=answers)


if __name__ == "__main__":
    sys.path.pop(0)  # this folder, whose modules are not meant to be imported from the top
    end_with_parent(int(sys.argv[2]), by_kernel=sys.argv[3] == "True")
    main(float(sys.argv[1]))
