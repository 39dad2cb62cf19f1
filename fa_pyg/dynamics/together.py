"""Molecular dynamics of several molecules at once: one call of the model per step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from fa_pyg import checks
from fa_pyg.dynamics.bonds import Bonds
from fa_pyg.dynamics.nve import Trajectory, not_finite

__all__ = ["nve_together"]


def nve_together(
    model: torch.nn.Module,
    systems: Sequence[Any],
    steps: int,
    timestep: float,
    watch: Callable[[int], None] | None = None,
) -> list[Trajectory]:
    """Integrate Newton's equations of several molecules in one batch, by velocity Verlet.

    Every run equals that of :func:`~fa_pyg.dynamics.nve` up to rounding, and ends early for the same reasons.
    Five small molecules take twice the time of one.

    Args:
        model: a :class:`~fa_pyg.models.Potential` in evaluation mode, on the CPU.
        systems: ASE ``Atoms`` with momenta, without cells; they are not modified.
        steps: number of steps.
        timestep: in fs.
        watch: called with the index of each state, 0 for the start.
    """
    checks.integer("steps", steps, 0)
    checks.number("timestep", timestep, above=0)
    checks.function("watch", watch, optional=True)
    from ase import units

    runs = [_Run(atoms, timestep) for atoms in systems]
    h, alive = timestep * units.fs, runs
    for step in range(steps + 1):
        for run in alive if step else ():
            run.velocity += h / 2 * run.forces / run.mass
            run.pos = run.pos + h * run.velocity
        _evaluate(model, alive)
        for run in alive if step else ():
            run.velocity += h / 2 * run.forces / run.mass
        alive = [run for run in alive if run.record(step)]
        if watch is not None:
            watch(step)
        if not alive:
            break
    return [run.trajectory() for run in runs]


class _Run:
    """State and record of one molecule."""

    def __init__(self, atoms: Any, timestep: float) -> None:
        self.z, self.pos, self.velocity = atoms.numbers, atoms.get_positions(), atoms.get_velocities()
        self.mass, self.bonds, self.timestep = atoms.get_masses()[:, None], Bonds(atoms), timestep
        self.energy, self.forces = 0.0, np.zeros_like(self.pos)
        self.states: list[tuple[Any, ...]] = []
        self.end: str | None = None
        self.is_finite = True

    def record(self, step: int) -> bool:
        """Record the state, or why the run ends; return whether it continues."""
        state = self.energy, (self.mass * self.velocity**2).sum() / 2, self.pos, self.forces
        odd = not_finite(state, step)
        fault = odd or self.bonds.fault(self.pos)
        if fault is None:
            self.states.append(state)
        else:
            self.end, self.is_finite = f"{fault} at {step * self.timestep / 1000:g} ps", not odd
        return fault is None

    def trajectory(self) -> Trajectory:
        shape = (0, *self.pos.shape)
        columns = [np.array(one, float) for one in zip(*self.states, strict=True)]
        columns = columns or [np.empty(0), np.empty(0), np.empty(shape), np.empty(shape)]
        time = np.arange(len(self.states)) * self.timestep / 1000
        potential, kinetic, pos, forces = columns
        return Trajectory(time, potential, kinetic, pos, forces, self.end, self.is_finite)


def _evaluate(model: torch.nn.Module, runs: Sequence[_Run]) -> None:
    """Evaluate energies and forces of all molecules in one call."""
    sizes = [len(run.z) for run in runs]
    z = torch.as_tensor(np.concatenate([run.z for run in runs]), dtype=torch.long)
    pos = torch.as_tensor(np.concatenate([run.pos for run in runs]))
    batch = torch.arange(len(runs)).repeat_interleave(torch.tensor(sizes))
    with torch.no_grad():
        out = model(z, pos, batch=batch, num_graphs=len(runs))
    forces = np.split(out["forces"].double().numpy(), np.cumsum(sizes)[:-1])
    for run, energy, force in zip(runs, out["energy"].tolist(), forces, strict=True):
        run.energy, run.forces = energy, force
