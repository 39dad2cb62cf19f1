"""Command line: the same NVE run with several trained models."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fa_pyg.dynamics.inputs import calculator, names, start
from fa_pyg.dynamics.measures import conservation, path_gaps, sizes
from fa_pyg.dynamics.nve import Trajectory, nve, thermalised
from fa_pyg.dynamics.report import TrajectoryWriter, draw, table, write_energies, write_gaps, write_results
from fa_pyg.files import atomic_write
from fa_pyg.options.dynamics import dynamics
from fa_pyg.potential.device import find_device
from fa_pyg.progress import bar as show

__all__ = ["compare", "main", "prepare", "run"]


def prepare(given: argparse.Namespace) -> tuple[Any, dict[str, Any]]:
    """Return the atoms, with velocities, and the calculators of the runs by name.

    Raises:
        ValueError: for files that cannot be read, and models and molecules that do not fit.
    """
    labels = names(given.checkpoints)
    molecule = start(given.checkpoints[0], given.xyz, given.index, given.trust)
    atoms = thermalised(molecule, given.temperature, given.seed)
    fixed = (atoms.numbers, given.dtype, given.device, given.trust, given.frame)
    found = [calculator(one, *fixed) for one in given.checkpoints]
    return atoms, dict(zip(labels, found, strict=True))


def compare(given: argparse.Namespace, atoms: Any, calculators: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Run all models from the same start, then evaluate them along the states of the first run.

    Returns:
        The results of the runs, as in ``results.json``.
    """
    out, first = Path(given.out), next(iter(calculators))
    settings = {**vars(given), "formula": atoms.get_chemical_formula(), "path": first}
    title = f"{settings['formula']}, {given.timestep:g} fs a step, {given.temperature:g} K"
    found: list[dict[str, Any]] = []
    runs: dict[str, Trajectory] = {}
    for (label, one), checkpoint in zip(calculators.items(), given.checkpoints, strict=True):
        began, runs[label] = time.monotonic(), _run(atoms, one, given, out / label)
        spent = time.monotonic() - began
        steep = one.watch is not None and one.watch.warned
        summary = {**_summary(runs[label], spent), "too_steep": steep}
        found.append({"name": label, "checkpoint": str(checkpoint), **summary})
        write_results(out / "results.json", settings, found)
        draw(runs, out / "energy.png", title)
    path, gaps = runs[first].pos, {}
    for (label, one), result in zip(calculators.items(), found, strict=True):
        name = f"{label} on the path of {first}"
        with show(
            total=max(2 * len(path) - 1, 0), desc=name, unit="structures", progress=given.progress
        ) as bar:
            gaps[label] = path_gaps(
                one.model, atoms.numbers, path, given.batch_size, given.device, bar.update
            )
        odd = int((~np.isfinite(gaps[label])).sum())
        result |= {**sizes(gaps[label], "path_jump"), "path_not_finite": odd}
        write_results(out / "results.json", settings, found)
        write_gaps(runs[first].time, gaps, out / "path.csv")
    draw(runs, out / "energy.png", title, gaps)
    return found


def _run(atoms: Any, calc: Any, given: argparse.Namespace, folder: Path) -> Trajectory:
    """Run one model, and write its files."""
    folder.mkdir(parents=True, exist_ok=True)
    steps = round(1000 * given.picoseconds / given.timestep)
    moving = atoms.copy()
    moving.calc = calc
    shown = {"total": steps, "desc": folder.name, "unit": "step", "progress": given.progress}
    with atomic_write(folder / "trajectory.xyz") as file, show(**shown) as bar:
        writer = TrajectoryWriter(file, given.every, given.timestep)

        def watch(atoms: Any, step: int) -> None:
            writer(atoms, step)
            bar.update(step > 0)

        run = nve(moving, steps, given.timestep, watch)
    write_energies(run, folder / "energy.csv")
    return run


def _summary(run: Trajectory, seconds: float) -> dict[str, Any]:
    from ase import units

    states, atoms = run.pos.shape[:2]
    hot = 2 / 3 * float(run.kinetic.mean()) / atoms / units.kB if states else None
    return {
        **conservation(run),
        "picoseconds": float(run.time[-1]) if states else 0.0,
        "end": run.end,
        "is_finite": run.is_finite,
        "mean_temperature_K": hot,
        "milliseconds_a_step": 1000 * seconds / max(states, 1),
    }


def main(args: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Run the command line; return as :func:`run`, or 2 for bad input."""
    try:
        return run(dynamics(args, prog))
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def run(given: argparse.Namespace) -> int:
    """Run the dynamics of a command line, and say what was written.

    Returns:
        0, even if a molecule breaks; 1 if energies or forces of a model are not finite.

    Raises:
        ValueError: as :func:`prepare`, and for a device that does not exist.
    """
    find_device(given.device, "--device")
    found = compare(given, *prepare(given))
    print(f"{table(found)}\nwritten to {given.out}")
    faults = list(_not_finite(found, Path(given.out)))
    for fault in faults:
        print(fault, file=sys.stderr)
    if not faults:
        plot = Path(given.out, "energy.png")
        print(f"next: {plot} shows the drift; ase gui opens trajectory.xyz of each model")
    if steep := [one["name"] for one in found if one["too_steep"]]:
        print(f"frames too steep for these steps: {', '.join(steep)}; try --frame forces", file=sys.stderr)
    return 1 if faults else 0


def _not_finite(found: Sequence[Mapping[str, Any]], out: Path) -> Iterator[str]:
    """Yield an error for each model whose numbers are not finite."""
    for one in found:
        if not one["is_finite"]:
            kept = f"the states before are in {out / one['name'] / 'trajectory.xyz'}"
            yield f"error: {one['name']}: expected finite numbers, found some {one['end']}; {kept}"
        elif one["path_not_finite"]:
            steps = f"{one['path_not_finite']} steps on the path of {found[0]['name']}"
            yield f"error: {one['name']}: expected finite energies and forces, found others in {steps}"
