"""The labels of GFN2-xTB: against finite differences, exact multipoles and published numbers."""

import numpy as np
import pytest

# torch 2.4 loads a libgomp that is too old for tblite; the library runs tblite in processes without torch.
pytest.importorskip("tblite.library", reason="GFN2-xTB: pip install 'fa_pyg[chem]'", exc_type=ImportError)

from ase.build import molecule
from ase.units import Bohr, Hartree
from scipy.spatial.transform import Rotation
from tblite import library
from tblite.ase import TBLite
from tblite.interface import Calculator

from fa_pyg.datasets.xtb.tasks import XTB, describe, embed, free_atom, label


@pytest.fixture(scope="module")
def acid():
    """Glyoxylic acid: atomic numbers and a conformer, which has no symmetry."""
    found, (pos, *_) = embed("O=CC(=O)O", 1, seed=1)
    return describe(found)["z"], pos


def neutral(z):
    return {"z": list(z), "net_charge": 0, "unpaired": 0}


def test_water():
    """The energy in tblite's documentation, and tblite's own calculator for ASE."""
    water = molecule("H2O")
    labels = XTB(water.numbers.tolist())(water.positions)
    assert labels["energy"] == pytest.approx(-137.96777625, abs=1e-6)
    water.calc = TBLite(method="GFN2-xTB", verbosity=0)
    assert labels["forces"] == pytest.approx(water.get_forces(), abs=1e-6)
    assert labels["dipole"] == pytest.approx(water.get_dipole_moment(), abs=1e-6)
    assert labels["dipole"][2] < -0.3  # from oxygen, which is above, to the hydrogen atoms
    assert labels["charges"] == pytest.approx(water.get_charges(), abs=1e-6)


def test_forces_are_minus_the_gradient(acid):
    z, pos = acid
    xtb, step = XTB(z), 1e-3
    forces = xtb(pos)["forces"]
    assert np.abs(forces).max() > 0.5
    for atom, axis in ((0, 0), (2, 1), (5, 2), (len(z) - 1, 0)):
        move = np.zeros_like(pos)
        move[atom, axis] = step
        slope = (xtb(pos + move)["energy"] - xtb(pos - move)["energy"]) / (2 * step)
        assert -slope == pytest.approx(forces[atom, axis], abs=2e-4)


def test_dipole_is_minus_the_slope_in_an_electric_field(acid):
    """By tblite alone, in atomic units."""
    z, pos = acid
    labels, field = XTB(z)(pos), 1e-4
    for axis in range(3):
        energies = []
        for sign in (1, -1):
            calculator = Calculator("GFN2-xTB", np.array(z), labels["pos"] / Bohr)
            calculator.set("verbosity", 0)
            strength = library.ffi.new("double[3]", (sign * field * np.eye(3)[axis]).tolist())
            calculator.add("electric-field", strength)
            energies.append(calculator.singlepoint()["energy"])
        slope = (energies[0] - energies[1]) / (2 * field)
        assert -slope * Bohr == pytest.approx(labels["dipole"][axis], abs=1e-4)


def test_multipoles_of_a_point_charge():
    """A sodium ion beside a distant neon atom, about their center of mass."""
    labels = XTB([11, 10], net_charge=1)(np.array([[10.0, 20.0, -15.0], [0.0, 0.0, 0.0]]))
    r = labels["pos"][0]
    assert np.linalg.norm(r) > 10
    assert labels["charges"] == pytest.approx([1, 0], abs=1e-6)
    assert labels["dipole"] == pytest.approx(r, abs=1e-3)
    expected = (3 * np.outer(r, r) - r @ r * np.eye(3)) / 2
    assert labels["quadrupole"] == pytest.approx(expected, abs=2e-2)


def test_charges_and_dipole_agree(acid):
    """The dipole is that of the charges and of the polarised atoms: near it, and on its side."""
    z, pos = acid
    labels = XTB(z)(pos)
    assert labels["charges"].sum() == pytest.approx(0, abs=1e-8)
    points = labels["charges"] @ labels["pos"]
    assert points @ labels["dipole"] > 0.8 * np.linalg.norm(points) * np.linalg.norm(labels["dipole"])


def test_motions(acid):
    z, pos = acid
    turn = Rotation.random(random_state=0).as_matrix()
    one, other = XTB(z)(pos), XTB(z)(pos @ turn.T + [10.0, -20.0, 30.0])
    assert other["energy"] == pytest.approx(one["energy"], abs=1e-7)
    for name in ("pos", "forces", "dipole"):
        assert other[name] == pytest.approx(one[name] @ turn.T, abs=1e-5)
        assert other[name] != pytest.approx(one[name], abs=1e-2)
    assert other["quadrupole"] == pytest.approx(turn @ one["quadrupole"] @ turn.T, abs=1e-5)
    assert other["quadrupole"] != pytest.approx(one["quadrupole"], abs=1e-2)
    assert one["quadrupole"] == pytest.approx(one["quadrupole"].T)
    assert np.trace(one["quadrupole"]) == pytest.approx(0, abs=1e-8)
    assert other["charges"] == pytest.approx(one["charges"], abs=1e-6)


def test_free_atoms():
    """Where atoms are apart, nothing is left of the atomization energy."""
    far = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 30.0]])
    triplet = label({"z": [1, 1], "net_charge": 0, "unpaired": 2}, far)
    assert triplet["atomization"] == pytest.approx(0, abs=1e-6)
    bound = molecule("H2")
    energy = label(neutral(bound.numbers.tolist()), bound.positions)["atomization"]
    assert energy == pytest.approx(XTB([1, 1])(bound.positions)["energy"] - 2 * free_atom(1))
    assert -7 < energy < -4  # the bond is worth 4.7 eV
    assert free_atom(1) == pytest.approx(-0.393482763936 * Hartree)
    assert all(np.isfinite(free_atom(z)) for z in range(1, 87))


@pytest.mark.parametrize("z", [0, 87])
def test_unknown_elements(z):
    with pytest.raises(ValueError, match=rf"z: expected elements of GFN2-xTB, 1 to 86, found \[{z}\]"):
        XTB([1, z])


def test_no_calculation():
    assert "Too close" in label(neutral([1, 1]), np.zeros((2, 3)))["error"]
    assert "not compatible" in label({"z": [1], "net_charge": 0, "unpaired": 2}, np.zeros((1, 3)))["error"]
    assert "error" in label(neutral([1, 1]), np.array([[0.0, 0.0, 0.0], [0.0, 0.0, np.nan]]))
