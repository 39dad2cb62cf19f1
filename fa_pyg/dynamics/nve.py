"""Molecular dynamics at constant energy (NVE), with a record of every step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fa_pyg import checks
from fa_pyg.dynamics.bonds import Bonds

__all__ = ["Trajectory", "not_finite", "nve", "thermalised"]


@dataclass(frozen=True)
class Trajectory:
    """Run of T states, of which the first is the start.

    Attributes:
        time: ``[T]``, ps.
        potential, kinetic: ``[T]``, eV.
        pos, forces: ``[T, N, 3]``, Å and eV/Å.
        end: why and when the run stopped early; None if it did not. The faulty state is not part of the run.
        is_finite: False if it stopped because a number was not finite.
    """

    time: np.ndarray
    potential: np.ndarray
    kinetic: np.ndarray
    pos: np.ndarray
    forces: np.ndarray
    end: str | None = None
    is_finite: bool = True

    @property
    def total(self) -> np.ndarray:
        """``[T]``, eV."""
        return self.potential + self.kinetic


def thermalised(atoms: Any, temperature: float, seed: int = 0) -> Any:
    """Return a copy of a molecule with velocities drawn from the Maxwell-Boltzmann distribution.

    The molecule as a whole neither moves nor rotates; the kinetic energy is exactly 3/2 k T per atom.

    Args:
        atoms: ASE ``Atoms``.
        temperature: in K; 0 for a start at rest.
        seed: of the velocities.

    Raises:
        ValueError: for less than two atoms, periodic structures, and atoms that overlap.
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
    r"""Integrate Newton's equations by the velocity Verlet algorithm of ASE.

    .. math:: m_i \ddot x_i = F_i(x)

    The run ends early if a number is not finite, a bond breaks or atoms collide
    (:class:`~fa_pyg.dynamics.bonds.Bonds`): predictions for such structures mean nothing.

    Args:
        atoms: ASE ``Atoms`` with momenta and a calculator of energies and forces; modified in place.
        steps: number of steps.
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
    end, odd = None, None
    for step in range(steps + 1):
        forces = dynamics.step() if step else atoms.get_forces()
        state = atoms.calc.results["energy"], atoms.get_kinetic_energy(), atoms.get_positions(), forces
        if fault := (odd := not_finite(state, step)) or bonds.fault(state[2]):
            end = f"{fault} at {step * timestep / 1000:g} ps"
            break
        states.append(state)
        if watch is not None:
            watch(atoms, step)
    time = np.arange(len(states)) * timestep / 1000
    shapes = ((0,), (0,), (0, len(atoms), 3), (0, len(atoms), 3))
    columns = [np.array(one, float) for one in zip(*states, strict=True)] or [np.empty(s) for s in shapes]
    potential, kinetic, pos, forces = columns
    return Trajectory(time, potential, kinetic, pos, forces, end, is_finite=odd is None)


def not_finite(state: Sequence[Any], step: int) -> str | None:
    """Say what is not finite of energy, kinetic energy, positions and forces; None if all are."""
    energy, kinetic, pos, forces = state
    parts = {"energy": energy, "forces": forces, "positions": pos, "kinetic energy": kinetic}
    odd = [name for name, one in parts.items() if not np.isfinite(one).all()]
    return f"not finite: {', '.join(odd)} in step {step}" if odd else None
