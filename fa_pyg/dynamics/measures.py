"""Measures of energy conservation, and of how well forces fit energies."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from fa_pyg import checks
from fa_pyg.dynamics.nve import Trajectory
from fa_pyg.models import Potential

__all__ = ["along", "conservation", "path_gaps", "sizes", "work_gaps"]


def work_gaps(pos: np.ndarray, energy: np.ndarray, forces: np.ndarray) -> np.ndarray:
    r"""Change of the energy from one state to the next minus the work of the forces.

    .. math:: g_k = E(x_{k+1}) - E(x_k) + \tfrac12 \big(F_k + F_{k+1}\big) \cdot (x_{k+1} - x_k)

    Of third order in the step if F is the smooth gradient of E, else the jump of E. In a run of velocity
    Verlet with time step h it is the change of the total energy minus that of the integrator,

    .. math:: g_k = \Delta H_k - \tfrac{h^2}{8} \sum_i \frac{|F_{k+1,i}|^2 - |F_{k,i}|^2}{m_i}

    Shapes: ``pos, forces [T, N, 3]``, ``energy [T]``; returns ``[T - 1]``, in the unit of the energy.
    """
    work = ((forces[1:] + forces[:-1]) / 2 * (pos[1:] - pos[:-1])).sum((1, 2))
    return np.diff(energy) + work


def path_gaps(
    model: Potential,
    z: np.ndarray,
    pos: np.ndarray,
    batch_size: int = 64,
    device: str = "cpu",
    watch: Callable[[int], object] | None = None,
) -> np.ndarray:
    r"""Gaps of a model along given states, with forces halfway between them as well (Simpson's rule).

    .. math:: g_k = E(x_{k+1}) - E(x_k) + \tfrac16 \big(F(x_k) + 4 F(\tfrac{x_k + x_{k+1}}2) + F(x_{k+1})\big)
              \cdot (x_{k+1} - x_k)

    Of fifth order in the step if the energy is smooth: resolves far smaller jumps than :func:`work_gaps`.

    Args:
        model, z, pos, batch_size, device: as in :func:`along`.
        watch: called with numbers of structures, in total 2 T - 1.

    Shapes: as in :func:`along`; returns ``[T - 1]`` in eV.
    """
    dense = np.empty((max(2 * len(pos) - 1, 0), *pos.shape[1:]))
    dense[::2], dense[1::2] = pos, (pos[1:] + pos[:-1]) / 2
    energy, forces = along(model, z, dense, batch_size, device, watch)
    ends, middle = forces[::2], forces[1::2]
    work = ((ends[1:] + 4 * middle + ends[:-1]) / 6 * np.diff(pos, axis=0)).sum((1, 2))
    return np.diff(energy[::2]) + work


def conservation(run: Trajectory) -> dict[str, float | None]:
    r"""Drift of the total energy (a line by least squares), and its fluctuation about this line.

    .. math:: H(t) \approx a + b t, \qquad \text{drift} = b / N, \qquad
              \text{fluctuation} = \sqrt{\operatorname{mean}_t (H(t) - a - b t)^2}

    Returns:
        ``drift_meV_per_atom_ps``; of the whole molecule ``fluctuation_meV``, and of the
        :func:`work_gaps` the largest, ``jump_meV``, and the root mean square, ``jump_rms_meV``. A jump far
        above the mean comes from the model, not the time step. None for runs of less than three states.
    """
    checks.instance("run", run, Trajectory, "a Trajectory")
    names = ("drift_meV_per_atom_ps", "fluctuation_meV")
    if len(run.time) < 3:
        return dict.fromkeys(names, None) | sizes(np.empty(0))
    energy = run.total - run.total[0]  # total energies are large, their changes small
    slope, start = np.polyfit(run.time, energy, 1)
    rest = energy - start - slope * run.time
    values = (1000 * slope / run.pos.shape[1], 1000 * np.sqrt(np.mean(rest**2)))
    found = dict(zip(names, map(float, values), strict=True))
    return found | sizes(work_gaps(run.pos, run.potential, run.forces))


def sizes(gaps: np.ndarray, prefix: str = "jump") -> dict[str, float | None]:
    """Return the largest gap (eV) and the root mean square, in meV; None without gaps, or if not finite."""
    known = len(gaps) > 0 and bool(np.isfinite(gaps).all())
    values = (np.abs(gaps).max(), np.sqrt(np.mean(gaps**2))) if known else (None, None)
    return {
        f"{prefix}{name}_meV": None if value is None else 1000 * float(value)
        for name, value in zip(("", "_rms"), values, strict=True)
    }


def along(
    model: Potential,
    z: np.ndarray,
    pos: np.ndarray,
    batch_size: int = 64,
    device: str = "cpu",
    watch: Callable[[int], object] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Evaluate energies and forces of one molecule in many states, in batches.

    Args:
        model: in evaluation mode, on the device; predicts ``energy`` and ``forces``.
        watch: called with the number of states of each batch.

    Shapes: ``z [N]``, ``pos [T, N, 3]`` in Å; returns ``[T]`` in eV and ``[T, N, 3]`` in eV/Å, float64.
    """
    checks.instance("model", model, torch.nn.Module, "a Potential")
    checks.integer("batch_size", batch_size)
    checks.function("watch", watch, optional=True)
    energies, forces = [np.empty(0)], [np.empty((0, *pos.shape[1:]))]
    for start in range(0, len(pos), batch_size):
        part = torch.as_tensor(pos[start : start + batch_size], device=device)
        size, atoms = part.shape[:2]
        numbers = torch.as_tensor(z, dtype=torch.long, device=device).repeat(size)
        batch = torch.arange(size, device=device).repeat_interleave(atoms)
        with torch.no_grad():
            out = model(numbers, part.flatten(0, 1), batch=batch, num_graphs=size)
        energies.append(out["energy"].double().cpu().numpy())
        forces.append(out["forces"].double().cpu().numpy().reshape(size, atoms, 3))
        if watch is not None:
            watch(size)
    return np.concatenate(energies), np.concatenate(forces)
