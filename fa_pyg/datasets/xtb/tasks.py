"""Embed, label and run molecular dynamics of one molecule, by RDKit, GFN2-xTB (tblite) and ASE.

The worker script ``worker.py`` runs this file without the package, which would load torch.
"""

from __future__ import annotations

import runpy
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

__all__ = [
    "TASKS",
    "XTB",
    "conformers",
    "describe",
    "dynamics",
    "embed",
    "free_atom",
    "label",
    "one_conformer",
    "thermalize",
]

one_line = runpy.run_path(str(Path(__file__).parents[2] / "workers/serve.py"))["one_line"]

Answer = dict[str, Any]
AXES = "xyz"


class XTB:
    """GFN2-xTB of one molecule, in ångström and eV; every calculation starts from the last wave function."""

    def __init__(self, z: list[int], net_charge: int = 0, unpaired: int = 0) -> None:
        from ase.data import atomic_masses

        unknown = sorted({number for number in z if not 1 <= number <= 86})
        if unknown:  # tblite itself would take an element 0
            raise ValueError(f"z: expected elements of GFN2-xTB, 1 to 86, found {unknown}")
        self.z, self.charge, self.unpaired = np.array(z), float(net_charge), unpaired
        self.weight = atomic_masses[self.z] / atomic_masses[self.z].sum()
        self.calculator: Any = None
        self.result: Any = None

    def __call__(self, pos: np.ndarray) -> dict[str, np.ndarray]:
        """Return the labels, and ``pos`` with the center of mass, the reference of moments, at the origin."""
        from ase.units import Bohr, Hartree

        pos = pos - self.weight @ pos
        self._move(pos / Bohr)
        result = self.result = self.calculator.singlepoint(self.result)
        labels = {
            "pos": pos,
            "energy": np.array(result["energy"] * Hartree),
            "forces": -result["gradient"] * Hartree / Bohr,
            "charges": result["charges"],
            **_moments(pos, result["charges"], result["post-processing-dict"]),
        }
        if not all(np.isfinite(value).all() for value in labels.values()):
            raise ValueError("GFN2-xTB: expected finite labels, found others")
        return labels

    def _move(self, pos: np.ndarray) -> None:
        from tblite.interface import Calculator

        if self.calculator is None:
            self.calculator = Calculator("GFN2-xTB", self.z, pos, charge=self.charge, uhf=self.unpaired)
            self.calculator.set("verbosity", 0)
            self.calculator.add("xtbml_xyz")  # moments of the atoms
        else:
            self.calculator.update(positions=pos)


def _moments(pos: np.ndarray, charges: np.ndarray, of_atoms: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return dipole and quadrupole, from charges, dipoles and traceless quadrupoles of the atoms.

    The quadrupole of tblite 0.8.0 doubles the contributions of charges and dipoles to xy, xz and yz, and is
    not a tensor.
    """
    from ase.units import Bohr

    dipoles = np.stack([of_atoms[f"dipm_A_{a}"] for a in AXES], axis=1) * Bohr
    atomic = [[of_atoms[f"qm_A_{min(a, b)}{max(a, b)}"].sum() for a in AXES] for b in AXES]
    lever = pos.T @ dipoles
    second = pos.T @ (charges[:, None] * pos) + lever + lever.T
    quadrupole = np.array(atomic) * Bohr**2 + 1.5 * second - 0.5 * np.trace(second) * np.eye(3)
    return {"dipole": charges @ pos + dipoles.sum(axis=0), "quadrupole": quadrupole}


@cache
def free_atom(z: int) -> float:
    """Return the energy of the neutral atom in its ground state of unpaired electrons, in eV."""
    from ase.data import ground_state_magnetic_moments

    f_in_core = 57 <= z <= 71  # GFN2-xTB gives lanthanides three electrons
    unpaired = 1 if f_in_core else int(ground_state_magnetic_moments[z])
    return float(XTB([z], unpaired=unpaired)(np.zeros((1, 3)))["energy"])


def conformers(smiles: str, count: int, seed: int) -> Iterator[Answer]:
    """Yield labeled ETKDG conformers, or the error of a conformer."""
    molecule, embedded = embed(smiles, count, seed)
    common = describe(molecule)
    for number, pos in enumerate(embedded):
        yield {"conformer": number, **label(common, pos)}
    if len(embedded) < count:
        yield {"error": f"RDKit embedded {len(embedded)} of {count} conformers"}


def label(common: Answer, pos: np.ndarray) -> Answer:
    """Return a molecule with its labels, or an error."""
    try:
        labels = XTB(**common)(pos)
        atomization = float(labels["energy"]) - sum(map(free_atom, common["z"]))
    except Exception as error:
        return {"error": one_line(error)}
    return {**common, "atomization": atomization, **_to_lists(labels)}


def describe(molecule: Any) -> Answer:
    """Return atomic numbers, charge and unpaired electrons, as in the SMILES."""
    atoms = list(molecule.GetAtoms())
    return {
        "z": [atom.GetAtomicNum() for atom in atoms],
        "net_charge": sum(atom.GetFormalCharge() for atom in atoms),
        "unpaired": sum(atom.GetNumRadicalElectrons() for atom in atoms),
    }


def embed(smiles: str, count: int, seed: int) -> tuple[Any, list[np.ndarray]]:
    """Return the molecule with hydrogens, and positions of up to ``count`` conformers in ångström."""
    from rdkit.Chem import AddHs
    from rdkit.Chem.rdDistGeom import EmbedMultipleConfs, ETKDGv3

    molecule = AddHs(_parse(smiles))
    settings = ETKDGv3()
    settings.randomSeed, settings.maxIterations, settings.numThreads = seed, 20, 1
    if not EmbedMultipleConfs(molecule, count, settings):
        settings.useRandomCoords = True  # cages and large rings
        EmbedMultipleConfs(molecule, count, settings)
    return molecule, [np.array(conformer.GetPositions()) for conformer in molecule.GetConformers()]


def _parse(smiles: str) -> Any:
    from rdkit import Chem

    molecule = Chem.MolFromSmiles(smiles)
    if molecule is None:
        raw = Chem.MolFromSmiles(smiles, sanitize=False)
        if raw is not None:
            Chem.SanitizeMol(raw)  # raises the reason
        raise ValueError("RDKit cannot read it")
    if len(Chem.GetMolFrags(molecule)) != 1:
        raise ValueError("several molecules")
    return molecule


def one_conformer(smiles: str, seed: int) -> Iterator[Answer]:
    """Yield the positions of one conformer, without labels."""
    molecule, embedded = embed(smiles, 1, seed)
    if not embedded:
        raise ValueError("RDKit could not embed it")
    yield {**describe(molecule), "pos": embedded[0].tolist()}


def thermalize(
    molecule: Answer, seed: int, temperature: float, steps: int, stride: int, **settings: float
) -> Iterator[Answer]:
    """Relax, draw random velocities and run some steps; yield progress, then the state."""
    from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
    from ase.optimize import BFGS

    atoms = _system(molecule)
    for _ in BFGS(atoms, logfile=None).irun(fmax=0.02, steps=500):
        yield {}
    random = np.random.RandomState([seed, 0])
    MaxwellBoltzmannDistribution(atoms, temperature_K=temperature, rng=random)
    run = _langevin(atoms, random, temperature, **settings)
    for done in range(0, steps, stride):
        now = min(stride, steps - done)
        run.run(now)
        yield {"steps": now}
    yield _state(atoms)


def dynamics(
    molecule: Answer, seed: int, part: int, temperature: float, snapshots: int, stride: int, **settings: float
) -> Iterator[Answer]:
    """Yield labels every ``stride`` steps, then the final state, which depends on the arguments alone."""
    atoms = _system(molecule)
    run = _langevin(atoms, np.random.RandomState([seed, part]), temperature, **settings)
    free = sum(map(free_atom, molecule["z"]))
    for _ in range(snapshots):
        run.run(stride)
        labels, kinetic = atoms.calc.labels, float(atoms.get_kinetic_energy())
        yield {"atomization": float(labels["energy"]) - free, "kinetic": kinetic, **_to_lists(labels)}
    yield _state(atoms)


def _langevin(atoms: Any, random: Any, temperature: float, timestep: float, friction: float) -> Any:
    """Return the integrator; time step in fs, friction in 1/fs. The center of mass is free to move."""
    from ase.md.langevin import Langevin
    from ase.units import fs

    settings = {"temperature_K": temperature, "friction": friction / fs, "fixcm": False}
    return Langevin(atoms, timestep * fs, rng=random, **settings)


def _system(molecule: Answer) -> Any:
    """Return the molecule as ASE atoms, with GFN2-xTB as the calculator."""
    from ase import Atoms
    from ase.calculators.calculator import Calculator, all_changes

    class Labels(Calculator):
        implemented_properties = ["energy", "forces"]  # noqa: RUF012
        xtb = XTB(molecule["z"], molecule["net_charge"], molecule["unpaired"])

        def calculate(self, atoms: Any = None, properties=("energy",), system_changes=all_changes):
            super().calculate(atoms, properties, system_changes)
            self.labels = self.xtb(atoms.positions)
            self.results = {"energy": float(self.labels["energy"]), "forces": self.labels["forces"]}

    atoms = Atoms(molecule["z"], molecule["pos"], calculator=Labels())
    atoms.set_momenta(molecule.get("momenta", np.zeros((len(atoms), 3))))
    return atoms


def _state(atoms: Any) -> Answer:
    if not np.isfinite(atoms.positions).all():
        raise ValueError("the atoms flew apart; use a shorter time step")
    return {"state": {"pos": atoms.positions.tolist(), "momenta": atoms.get_momenta().tolist()}}


def _to_lists(labels: dict[str, np.ndarray]) -> Answer:
    return {name: value.tolist() for name, value in labels.items()}  # JSON keeps every bit of a float64


TASKS = {"conformers": conformers, "one": one_conformer, "thermalise": thermalize, "dynamics": dynamics}
