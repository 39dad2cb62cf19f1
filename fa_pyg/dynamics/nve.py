"""Molecular dynamics at constant energy, recorded step by step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fa_pyg import checks
from fa_pyg.dynamics.bonds import Bonds

__all__ = ["Trajectory", "nve", "thermalised"]


@dataclass(frozen=True)
class Trajectory:
    """A run of T states, the first of which is its start.

    Attributes:
        time: ``[T]``, ps.
        potential, kinetic: ``[T]``, eV.
        pos, forces: ``[T, N, 3]``, Å and eV/Å.
        end: why the run stopped before its time, with the time; None if it did not. The state in which the
            fault was found is not part of the run.
    """

    time: np.ndarray
    potential: np.ndarray
    kinetic: np.ndarray
    pos: np.ndarray
    forces: np.ndarray
    end: str | None = None

    @property
    def total(self) -> np.ndarray:
        """``[T]``, eV."""
        return self.potential + self.kinetic


def thermalised(atoms: Any, temperature: float, seed: int = 0) -> Any:
    """A copy of ASE's atoms with velocities drawn from Maxwell and Boltzmann's distribution.

    The molecule as a whole neither moves nor turns; the kinetic energy is exactly 3/2 k T an atom.

    Args:
        temperature: in K; 0 for a start at rest.
        seed: of the velocities.

    Raises:
        ValueError: for less than two atoms, a periodic structure, atoms on top of each other.
    """
    checks.number("temperature", temperature, 0)
    checks.integer("seed", seed, 0, checks.MOST)
    from ase import units
    from ase.md.velocitydistribution import Stationary, ZeroRotation, force_temperature

    atoms = atoms.copy()
    if len(atoms) < 2 or atoms.pbc.any():
        found = "a periodic structure" if atoms.pbc.any() else f"{len(atoms)}"
        raise ValueError(f"atoms: expected a molecule of two atoms or more, found {found}")
    if fault := Bonds(atoms).fault(atoms.positions):
        raise ValueError(f"atoms: expected a molecule to start from, but {fault}")
    spread = np.sqrt(atoms.get_masses() * units.kB * temperature)
    atoms.set_momenta(np.random.default_rng(seed).normal(size=(len(atoms), 3)) * spread[:, None])
    if temperature > 0:
        Stationary(atoms)
        ZeroRotation(atoms)
        force_temperature(atoms, temperature)
    return atoms


def nve(
    atoms: Any, steps: int, timestep: float, watch: Callable[[Any, int], None] | None = None
) -> Trajectory:
    r"""Runs Newton's equations by the velocity Verlet algorithm of ASE.

    .. math:: m_i \ddot x_i = F_i(x)

    The run ends early where a number is no longer finite, a bond of the start is broken or atoms collide
    (:class:`~fa_pyg.dynamics.bonds.Bonds`): what a model says of such structures means nothing.

    Args:
        atoms: of ASE, with momenta and a calculator of energies and forces; moved in place.
        steps: how many.
        timestep: in fs.
        watch: called with the atoms and the step for each state of the run, 0 for the start.
    """
    checks.integer("steps", steps, 0)
    checks.number("timestep", timestep, above=0)
    checks.function("watch", watch, optional=True)
    from ase import units
    from ase.md.verlet import VelocityVerlet

    dynamics, bonds = VelocityVerlet(atoms, timestep * units.fs), Bonds(atoms)
    states: list[tuple[np.ndarray, ...]] = []
    end = None
    for step in range(steps + 1):
        forces = dynamics.step() if step else atoms.get_forces()
        state = atoms.calc.results["energy"], atoms.get_kinetic_energy(), atoms.get_positions(), forces
        finite = all(np.isfinite(one).all() for one in state)
        fault = bonds.fault(state[2]) if finite else "energy, velocities or forces are not finite"
        if fault:
            end = f"{fault} at {step * timestep / 1000:g} ps"
            break
        states.append(state)
        if watch is not None:
            watch(atoms, step)
    time = np.arange(len(states)) * timestep / 1000
    shapes = ((0,), (0,), (0, len(atoms), 3), (0, len(atoms), 3))
    columns = [np.array(one, float) for one in zip(*states, strict=True)] or [np.empty(s) for s in shapes]
    return Trajectory(time, *columns, end)
