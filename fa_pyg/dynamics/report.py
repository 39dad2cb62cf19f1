"""Files of NVE runs: trajectories, tables of energies, results and a plot."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from fa_pyg.dynamics.measures import work_gaps
from fa_pyg.dynamics.nve import Trajectory
from fa_pyg.files import write_atomically

__all__ = ["TrajectoryWriter", "draw", "table", "write_energies", "write_gaps", "write_results"]

COLUMNS = (
    ("drift_meV_per_atom_ps", "drift / meV/atom/ps"),
    ("fluctuation_meV", "fluctuation / meV"),
    ("jump_meV", "jump / meV"),
    ("jump_rms_meV", "rms"),
    ("path_jump_meV", "jump on the shared path / meV"),
    ("path_jump_rms_meV", "rms"),
)


class TrajectoryWriter:
    """Write every n-th state of a run to an open file, as extended XYZ."""

    def __init__(self, file: TextIO, every: int, timestep: float) -> None:
        self.file, self.every, self.timestep = file, every, timestep

    def __call__(self, atoms: Any, step: int) -> None:
        from ase.io.extxyz import write_extxyz

        if step % self.every == 0:
            atoms.info["time_ps"] = step * self.timestep / 1000
            write_extxyz(self.file, [atoms])
            self.file.flush()


def write_energies(run: Trajectory, path: Path) -> None:
    """Write a row for each state; the gap is that of the step to it (empty for the start)."""
    gaps = ["", *(1000 * work_gaps(run.pos, run.potential, run.forces)).tolist()]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["time_ps", "total_eV", "potential_eV", "kinetic_eV", "gap_meV"])
    columns = (run.time, run.total, run.potential, run.kinetic)
    writer.writerows(zip(*(one.tolist() for one in columns), gaps, strict=False))
    write_atomically(path, text.getvalue())


def write_results(path: Path, settings: Mapping[str, Any], runs: Sequence[Mapping[str, Any]]) -> None:
    """Write the results of the runs so far as JSON."""
    write_atomically(path, json.dumps({**settings, "runs": list(runs)}, indent=2, allow_nan=False) + "\n")


def write_gaps(time: np.ndarray, gaps: Mapping[str, np.ndarray], path: Path) -> None:
    """Write a row for each step of the shared path, with a column (meV) for each model."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["time_ps", *gaps])
    writer.writerows(zip(time[1:].tolist(), *((1000 * one).tolist() for one in gaps.values()), strict=True))
    write_atomically(path, text.getvalue())


def draw(
    runs: Mapping[str, Trajectory], path: Path, title: str, gaps: Mapping[str, np.ndarray] | None = None
) -> None:
    """Plot the change of the total energy per atom, the gaps of the steps, and those on the first path."""
    from fa_pyg.plot import plot_energies

    curves = {}
    for name, run in runs.items():
        if len(run.time):
            energy = 1000 * (run.total - run.total[0]) / run.pos.shape[1]
            steps = 1000 * np.abs(work_gaps(run.pos, run.potential, run.forces))
            curves[name] = (run.time.tolist(), energy.tolist(), steps.tolist())
    shared = {name: (1000 * np.abs(one)).tolist() for name, one in (gaps or {}).items()}
    time = next(iter(runs.values())).time.tolist()
    plot_energies(curves, path, title, (time, shared) if shared else None)


def table(runs: Iterable[Mapping[str, Any]]) -> str:
    """Return a markdown table of the runs."""
    head = ["model", *(title for _, title in COLUMNS), "ps", "end"]
    lines = [head, ["---"] * len(head)]
    for run in runs:
        numbers = [_number(run.get(key)) for key, _ in COLUMNS]
        lines.append([run["name"], *numbers, f"{run['picoseconds']:g}", run["end"] or "in time"])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"
