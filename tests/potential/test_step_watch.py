"""The calculator warns of energies that are too steep for the steps taken, and of no others."""

import warnings

import numpy as np
import pytest
import torch
from ase import Atoms, units
from ase.build import molecule
from ase.md.verlet import VelocityVerlet
from ase.optimize import BFGS
from torch import nn

from fa_pyg import WeightedPCAFrame
from fa_pyg.ase import FACalculator
from fa_pyg.dynamics import nve, thermalised
from fa_pyg.math.linalg import scatter_sum
from fa_pyg.models import Potential
from fa_pyg.potential.calculator import StepWatch

STEEP = "the frame is too steep"


class Bonds(nn.Module):
    """Morse bonds between all atoms, and a smooth or a sudden rise where the first of them grows."""

    def __init__(self, width: float = 0.0, height: float = 0.0) -> None:
        super().__init__()
        self.width, self.height, self.length = width, height, 1.0

    def forward(self, z, pos, edge_index, batch, num_graphs):
        r = (pos[edge_index[0]] - pos[edge_index[1]]).square().sum(1).sqrt()
        energy = 2 * (1 - torch.exp(-2 * (r - self.length))).square()
        if self.width:
            energy = energy + self.height * torch.sigmoid((r - self.length) / self.width)
        return scatter_sum(energy, batch[edge_index[0]], num_graphs)


def water(net, dtype="float64", framed=True):
    atoms = molecule("H2O")
    frame = WeightedPCAFrame("E(3)") if framed else None
    atoms.calc = FACalculator(Potential(net, frame, cutoff=10.0), dtype=dtype)
    return atoms


def moved(atoms, temperature, timestep, steps=80):
    """Dynamics from the relaxed molecule; the warnings of it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        BFGS(atoms, logfile=None).run(fmax=1e-3, steps=100)
        moving = thermalised(atoms, temperature)
        moving.calc = atoms.calc
        VelocityVerlet(moving, timestep * units.fs).run(steps)
    return [str(one.message) for one in caught if STEEP in str(one.message)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("temperature", "timestep"), [(300, 0.5), (1000, 1.0)])
def test_a_smooth_energy_is_never_warned_of(dtype, temperature, timestep):
    assert moved(water(Bonds(), dtype), temperature, timestep) == []


@pytest.mark.parametrize("width", [1e-3, 1e-5])
def test_a_rise_within_a_step_is_told_once_with_what_to_do(width):
    (found,) = moved(water(Bonds(width, height=0.1)), 500, 0.5)
    assert 'frame="forces"' in found
    assert "meV" in found


def test_the_same_rise_over_a_tenth_of_an_angstrom_is_smooth():
    assert moved(water(Bonds(0.1, height=0.1)), 500, 0.5) == []


def test_without_a_frame_there_is_nothing_to_take_another_one_of():
    assert moved(water(Bonds(1e-5, height=0.1), framed=False), 500, 0.5) == []


def test_forces_of_a_head_do_not_fit_an_energy_by_themselves():
    class Both(Bonds):
        head_names = {"energy": "scalar", "forces": "node vector"}  # noqa: RUF012

        def forward(self, z, pos, edge_index, batch, num_graphs):
            return {"energy": super().forward(z, pos, edge_index, batch, num_graphs), "forces": 0 * pos}

    atoms = molecule("H2O")
    atoms.calc = FACalculator(Potential(Both(), WeightedPCAFrame("E(3)"), cutoff=10.0, gradient=False))
    assert moved(atoms, 500, 0.5) == []


# ------------------------------------------------------------------------------ the criterion by itself


def steps(gap, far=0.01, change=0.0, atoms=4):
    """Two states that differ by a step of ``far`` in one coordinate, with a gap of the energy (eV)."""
    watch, first = StepWatch(), Atoms(f"H{atoms}", np.arange(3.0 * atoms).reshape(atoms, 3))
    second = first.copy()
    second.positions[0, 0] += far
    forces = np.zeros((atoms, 3))
    later = forces.copy()
    later[0, 0] = change
    watch(first, -1.0, forces)
    watch(second, -1.0 - change * far / 2 + gap, later)
    return watch


def test_what_counts_as_steep():
    with pytest.warns(UserWarning, match=r"5 meV more than the forces explain in a step of 0.01"):
        assert steps(5e-3).warned
    with pytest.warns(UserWarning, match=STEEP):
        assert steps(-5e-3, change=30.0).warned
    assert not steps(5e-3, change=40.0).warned  # 1.5 * 40 * 0.01^2 is more
    assert not steps(5e-3, far=0.11).warned
    assert not steps(5e-4).warned
    assert not steps(5e-3, atoms=400).warned


def test_other_atoms_are_no_step():
    watch, forces = StepWatch(), np.zeros((2, 3))
    near, far = Atoms("H2", [[0, 0, 0], [0, 0, 0.75]]), Atoms("HF", [[0, 0, 0], [0, 0, 0.76]])
    cell = Atoms("H2", far.positions, cell=[5, 5, 5], pbc=True)
    for number, atoms in enumerate((near, far, near, cell, near)):
        watch(atoms, float(number), forces)
    assert not watch.warned
    with pytest.warns(UserWarning, match=STEEP):
        watch(Atoms("H2", far.positions), 9.0, forces)


def test_atoms_that_are_refused_leave_the_last_state():
    atoms = water(Bonds())
    atoms.get_potential_energy()
    bad = atoms.copy()
    bad.positions[0] = np.nan
    bad.calc = atoms.calc
    with pytest.raises(ValueError, match="finite"):
        bad.get_potential_energy()
    assert np.isfinite(atoms.calc.watch.last[1]).all()


def test_dynamics_of_the_package_warn_too():
    atoms = water(Bonds(1e-5, height=0.1))
    with pytest.warns(UserWarning, match=STEEP):
        nve(thermalised_on(atoms, 500), 100, 0.5)


def thermalised_on(atoms, temperature):
    moving = thermalised(atoms, temperature)
    moving.calc = atoms.calc
    return moving
