"""The run itself: its start, what is recorded, and how it ends where a molecule does not hold."""

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk, molecule
from ase.calculators.lj import LennardJones
from ase.md.verlet import VelocityVerlet

from fa_pyg.dynamics import nve, thermalised
from fa_pyg.dynamics.bonds import Bonds


def pair(distance, speed):
    """Two argon atoms that move apart at so many Å/fs."""
    atoms = Atoms("Ar2", positions=[[0, 0, 0], [distance, 0, 0]])
    atoms.set_velocities([[-speed / 2 / units.fs, 0, 0], [speed / 2 / units.fs, 0, 0]])
    atoms.calc = LennardJones(sigma=2, epsilon=0.01)
    return atoms


def test_it_neither_moves_nor_turns_and_is_as_hot_as_asked(ethanol):
    atoms = thermalised(ethanol, 400, seed=3)
    assert atoms.get_temperature() == pytest.approx(400)
    assert np.abs(atoms.get_momenta().sum(0)).max() < 1e-12
    assert np.abs(atoms.get_angular_momentum()).max() < 1e-10
    np.testing.assert_array_equal(thermalised(ethanol, 400, seed=3).get_momenta(), atoms.get_momenta())
    assert np.abs(thermalised(ethanol, 400, seed=4).get_momenta() - atoms.get_momenta()).max() > 0.1
    assert not thermalised(ethanol, 0).get_momenta().any()


@pytest.mark.parametrize(
    ("atoms", "text"),
    [
        (Atoms("H"), "two atoms or more, found 1"),
        (bulk("NaCl", "rocksalt", a=5.6), "found a periodic structure"),
        (Atoms("C2", positions=[[0, 0, 0], [0.2, 0, 0]]), "C0 and C1 are 0.20 Å apart"),
        (Atoms("C2", positions=[[0, 0, 0], [np.nan, 0, 0]]), "positions are not finite"),
    ],
)
def test_a_wrong_start_is_refused(atoms, text):
    with pytest.raises(ValueError, match=text):
        thermalised(atoms, 300)


def test_bonds():
    atoms = molecule("CH3CH2OH")
    bonds = Bonds(atoms)
    assert bonds.bonded.sum() == 8
    assert bonds.fault(atoms.positions) is None
    moved = atoms.positions.copy()
    moved[3] *= 3
    assert "O2 and H3" in bonds.fault(moved)
    moved[3] = moved[4]
    assert "apart" in bonds.fault(moved)
    assert Bonds(Atoms("H")).fault(np.zeros((1, 3))) is None


def test_every_state_is_recorded():
    atoms, seen = pair(2.2, 0.001), []
    run = nve(atoms, 20, 2.0, lambda atoms, step: seen.append((step, atoms.positions.copy())))
    other = pair(2.2, 0.001)
    VelocityVerlet(other, 2 * units.fs).run(20)
    np.testing.assert_array_equal(run.pos[-1], other.positions)
    assert run.total[-1] == pytest.approx(other.get_total_energy())
    assert [step for step, _ in seen] == list(range(21))
    np.testing.assert_array_equal(run.pos, [pos for _, pos in seen])
    np.testing.assert_array_equal(run.forces[-1], other.get_forces())
    assert run.end is None
    np.testing.assert_allclose(run.time, np.arange(21) * 0.002)


def test_a_molecule_that_comes_apart_is_kept_up_to_there():
    run = nve(pair(2.2, 0.1), 1000, 1.0)
    assert "bond between Ar0 and Ar1 is 4.3" in run.end
    assert run.end.endswith(f"at {run.time[-1] + 0.001:g} ps")
    assert 10 < len(run.time) < 50
    assert run.pos[-1, 1, 0] - run.pos[-1, 0, 0] < 2 * 2 * 1.06


@pytest.mark.parametrize("after", [0, 3])
def test_numbers_that_are_not_finite_end_it(after):
    class Broken(LennardJones):
        calls = 0

        def calculate(self, *args, **kwargs):
            super().calculate(*args, **kwargs)
            self.results["forces"] += np.nan if Broken.calls >= after else 0
            Broken.calls += 1

    atoms = pair(2.2, 0.001)
    atoms.calc = Broken(sigma=2, epsilon=0.01)
    run = nve(atoms, 10, 1.0)
    odd = "forces, kinetic energy" if after else "forces"
    assert run.end == f"not finite: {odd} in step {after} at {after / 1000:g} ps"
    assert not run.is_finite
    assert run.pos.shape == run.forces.shape == (after, 2, 3)
    assert len(run.total) == len(run.time) == after
