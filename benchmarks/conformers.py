"""Real molecules without a download: conformers that RDKit embeds from the NCI SMILES in its wheel."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import torch
from torch_geometric.data import Data

from fa_pyg.files import atomic_write


def nci(count: int = 500, seed: int = 0, cache: str | Path | None = None) -> list[Data]:
    """Return ``count`` molecules ``Data(z, pos)`` with hydrogens, float64, in ångström.

    Every tenth SMILES of the file is taken, so that they are not the first and simplest only; those that
    RDKit cannot read or embed, and those that are several molecules or fewer than two atoms, are left out.

    Args:
        count: how many.
        seed: of the embedding (ETKDGv3).
        cache: a file to keep them in; embedding 500 takes about ten seconds.
    """
    path = None if cache is None else Path(cache)
    if path is not None and path.exists():
        kept = torch.load(path, weights_only=True)
        if kept["seed"] == seed and len(kept["z"]) >= count:
            return [Data(z=z, pos=pos) for z, pos in zip(kept["z"][:count], kept["pos"], strict=False)]
    molecules = list(islice(_embedded(seed), count))
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = {"seed": seed, "z": [m.z for m in molecules], "pos": [m.pos for m in molecules]}
        with atomic_write(path, "wb") as file:
            torch.save(kept, file)
    return molecules


def _embedded(seed: int) -> Iterator[Data]:
    from rdkit import Chem, RDConfig, RDLogger
    from rdkit.Chem import AllChem

    RDLogger.DisableLog("rdApp.*")
    lines = (Path(RDConfig.RDDataDir) / "NCI" / "first_5K.smi").read_text().splitlines()
    for smiles in (line.split()[0] for start in range(10) for line in lines[start::10]):
        molecule = None if "." in smiles else Chem.MolFromSmiles(smiles)
        molecule = None if molecule is None else Chem.AddHs(molecule)
        if molecule is None or molecule.GetNumAtoms() < 2:
            continue
        if AllChem.EmbedMolecule(molecule, randomSeed=seed, maxAttempts=20) == 0:
            z = torch.tensor([atom.GetAtomicNum() for atom in molecule.GetAtoms()])
            yield Data(z=z, pos=torch.from_numpy(molecule.GetConformer().GetPositions()).double())
