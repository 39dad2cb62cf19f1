"""For tests of trainings: labels of a fast potential."""

import pytest


@pytest.fixture(scope="session")
def emt_labels():
    """Labels structures with energy, forces and, of crystals, stress of the effective medium theory."""
    from ase.calculators.emt import EMT
    from ase.calculators.singlepoint import SinglePointCalculator

    def label(atoms, stress=True):
        atoms.arrays.pop("tags", None)
        atoms.calc = EMT()
        results = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
        if stress and atoms.pbc.all():
            results["stress"] = atoms.get_stress()
        atoms.calc = SinglePointCalculator(atoms, **results)
        return atoms

    return label
