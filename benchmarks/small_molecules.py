"""Twenty molecules for frames of energies, symmetric, nearly so and generic; and clouds of the plane."""

from __future__ import annotations

import torch
from torch import Tensor

from fa_pyg.testing import NamedCloud, catalogue

# Of the G2 set and the catalogue's own. Every kind of degeneracy at which frames change: spherical tops, of
# which all three moments of inertia meet (CH4, SF6); symmetric tops, flat (C6H6, BF3) and long (CH3Cl, CH3CN,
# C2H6), and those that room temperature turns inside out (NH3, PH3).
SYMMETRIC = ("NH3", "PH3", "CH4", "SF6", "C6H6", "BF3", "CH3Cl", "CH3CN", "C2H6")
# A mirror or an axis only, moments that nearly meet (a benzene with one N; methyl rotors), or a dihedral that
# takes the molecule through a plane.
NEARLY = ("CH3OH", "H3CNH2", "CH3CH2OH", "H2O2", "C5H5N")
# Without symmetry: an amino acid, and what drugs are made of; as RDKit embeds them.
GENERIC = {
    "alanine": "C[C@H](N)C(=O)O",
    "glyceraldehyde": "OC[C@@H](O)C=O",
    "CHFClBr": "[C@H](F)(Cl)Br",
    "aspirin": "CC(=O)Oc1ccccc1C(=O)O",
    "paracetamol": "CC(=O)Nc1ccc(O)cc1",
    "nicotine": "CN1CCC[C@H]1c1cccnc1",
}
KINDS = {
    **dict.fromkeys(SYMMETRIC, "symmetric"),
    **dict.fromkeys(NEARLY, "nearly"),
    **dict.fromkeys(GENERIC, "generic"),
}
PLANAR = ("4-gon", "6-gon", "6-gon, two colours", "3-gon, one of another colour", "pinwheel", "generic plane")

Structures = dict[str, tuple[Tensor, Tensor]]


def small_molecules() -> Structures:
    """The atomic numbers ``[N]`` and positions ``[N, 3]`` in ångström of each, by name."""
    known = _known(catalogue(3, ["g2", "molecules"]))
    found = {name: known[name] for name in (*SYMMETRIC, *NEARLY)}
    return found | {name: _embedded(smiles) for name, smiles in GENERIC.items()}


def planar() -> Structures:
    """The same of clouds in the plane, of radius 1; points without colors are all alike."""
    known = _known(catalogue(2, ["polygons", "planes"]))
    return {name: known[name] for name in PLANAR}


def _known(clouds: list[NamedCloud]) -> Structures:
    alike = (
        (c.name, torch.ones(len(c.pos), dtype=torch.long) if c.z is None else c.z, c.pos) for c in clouds
    )
    return {name.removeprefix("G2 "): (z, pos) for name, z, pos in alike}


def _embedded(smiles: str) -> tuple[Tensor, Tensor]:
    from rdkit import Chem
    from rdkit.Chem import AllChem

    molecule = Chem.AddHs(Chem.MolFromSmiles(smiles))
    if AllChem.EmbedMolecule(molecule, randomSeed=0) != 0:
        raise RuntimeError(f"RDKit embeds no {smiles}")
    z = torch.tensor([atom.GetAtomicNum() for atom in molecule.GetAtoms()])
    return z, torch.from_numpy(molecule.GetConformer().GetPositions()).double()
