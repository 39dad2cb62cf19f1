"""Frequencies of springs with a closed form, sets of equal ones, and bonds that are stretched."""

import math

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import molecule
from ase.calculators.calculator import Calculator, all_changes

from fa_pyg.dynamics import bond_scan, frequencies, scannable_bonds, splitting


class Spring(Calculator):
    """Two atoms on a spring, and a cubic term that leaves central differences nothing but its square."""

    implemented_properties = ("energy", "forces")

    def __init__(self, stiff, length=1.0, step=0.0):
        super().__init__()
        self.stiff, self.length, self.rise = stiff, length, step

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        r = atoms.positions[1] - atoms.positions[0]
        d = np.linalg.norm(r)
        pull = self.stiff * (d - self.length) * r / d + self.rise * (d > self.length) * r / d
        self.results = {"energy": 0.0, "forces": np.stack([pull, -pull])}


def pair(**kwargs):
    return Atoms("HF", [[0, 0, 0], [0.0, 0.6, 0.8]], calculator=Spring(30.0, **kwargs))


def test_the_frequency_of_two_atoms_on_a_spring():
    atoms = pair()
    found = frequencies(atoms, 0.001)
    reduced = 1 / (1 / atoms.get_masses()).sum()
    expected = math.sqrt(30.0 / reduced) * units._hbar * 1e10 / math.sqrt(units._e * units._amu) / units.invcm
    assert found[-1] == pytest.approx(expected, rel=1e-4)
    assert np.abs(found[:5]).max() < 5
    assert len(found) == 6


def test_imaginary_frequencies_are_negative():
    assert frequencies(pair(length=1.1), 0.001)[0] < -100  # compressed: it would rather turn


def test_forces_with_a_step_depend_on_the_displacement():
    """The negative control: the smaller the displacement, the larger what a jump of forces makes of it."""
    values = [frequencies(pair(step=0.05), delta)[-1] for delta in (0.01, 0.001)]
    assert values[1] > 1.2 * values[0]
    values = [frequencies(pair(), delta)[-1] for delta in (0.01, 0.001)]
    assert values[1] == pytest.approx(values[0], abs=0.5)


@pytest.mark.parametrize(
    ("found", "sizes", "expected"),
    [
        ([1.0, 2.0, 5.0], (), 0.0),
        ([5.0, 1.0, 2.5], (2,), 1.5),
        ([0, 0.4, 0.6, 9, 9.1, 9.3], (2, 3), 0.3),
        ([0, 0.4, 0.6, 9, 9.1, 9.3], (3, 3), 0.6),
        ([0, 0.1, 0.2, 0.3], (2, 2), 0.1),
        ([0, 3.0, 3.1, 8.0], (2, 2), 4.9),
    ],
)
def test_the_best_sets_of_equal_frequencies(found, sizes, expected):
    assert splitting(found, sizes) == pytest.approx(expected)


def test_more_members_than_frequencies_fit_nowhere():
    assert splitting([1.0], (2,)) == math.inf


def test_a_scan_moves_one_side_along_the_bond():
    atoms = molecule("CH3OH")
    bonds = scannable_bonds(atoms)
    assert set(bonds) == {"C-O", "C-H", "O-H"}
    stretch = np.array([-0.1, 0.0, 0.2])
    pos = bond_scan(atoms, bonds["C-O"], stretch)
    assert pos.shape == (3, 6, 3)
    before, first, second = atoms.get_all_distances(), *bonds["C-O"]
    for one, longer in zip(pos, stretch, strict=True):
        after = np.linalg.norm(one[:, None] - one[None], axis=2)
        assert after[first, second] == pytest.approx(before[first, second] + longer)
        hydroxyl = [bonds["O-H"][0], bonds["O-H"][1]]
        assert after[tuple(hydroxyl)] == pytest.approx(before[tuple(hydroxyl)])
        assert (one[first] == atoms.positions[first]).all()


def test_rings_are_not_pulled_apart():
    atoms = molecule("C6H6")
    assert set(scannable_bonds(atoms)) == {"C-H"}
    with pytest.raises(ValueError, match=r"bond: expected one that is not in a ring, found \(0, 1\)"):
        bond_scan(atoms, (0, 1), np.zeros(1))
