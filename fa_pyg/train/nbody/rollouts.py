"""Rollouts of several runs on the same test systems: their tables and plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import torch

from fa_pyg import checks
from fa_pyg.config.plain import read
from fa_pyg.datasets import NBody
from fa_pyg.files import write_atomically
from fa_pyg.plot import save_figure
from fa_pyg.train.nbody.rollout import Trajectory, free_step, model_step, roll_out, true_trajectory
from fa_pyg.train.nbody.rollout_report import TRUE, plot_paths, plot_rollouts, report
from fa_pyg.train.run import load_best
from fa_pyg.train.tasks.nbody import NBodyData, NBodyModule

__all__ = ["rollouts", "write"]

EXPECTED = "a run folder of `fa-pyg train nbody`"


def rollouts(
    runs: Sequence[Path], steps: int, systems: int, data: Path | None = None
) -> dict[str, Trajectory]:
    """Return the true trajectories, those without forces, and those of the runs by their names.

    Args:
        runs: folders of runs, with ``config.yaml`` and ``best.ckpt``, of models that predict velocities.
        steps: of the rollout.
        systems: number of test systems, the first ones.
        data: folder of the data; default that of each run.

    Raises:
        ValueError: for folders that are not runs, runs of one name, and models that cannot be rolled out.
    """
    torch.set_num_threads(1)
    found: dict[str, Trajectory] = {}
    for folder in runs:
        if not all((folder / name).is_file() for name in ("config.yaml", "best.ckpt")):
            checks.refuse("runs", f"{EXPECTED}, with config.yaml and best.ckpt", str(folder))
        module = load_best(folder)
        if not isinstance(module, NBodyModule):
            checks.refuse("runs", EXPECTED, str(folder))
        step, test = model_step(module), _systems(folder, systems, data)
        if not found:
            found = {TRUE: true_trajectory(test, steps), "no force": roll_out(free_step(test), test, steps)}
        name = read(folder / "config.yaml")["name"]
        if name in found:
            checks.refuse("runs", "runs of different names", name)
        found[name] = roll_out(step, test, steps)
        if found[name].pos.shape != found[TRUE].pos.shape:
            checks.refuse("runs", "the same number of particles in all runs", str(folder))
    return found


def _systems(folder: Path, count: int, data: Path | None) -> NBody:
    """Return the first test systems of a run."""
    settings = read(folder / "config.yaml")["data"]
    if data is not None:
        settings["root"] = data
    return cast("NBody", NBodyData(**settings).split("test")[:count])  # a slice of a data set is one


def write(found: Mapping[str, Trajectory], out: Path) -> str:
    """Write ``table.md``, ``rollouts.png`` and ``paths.png``; return the table."""
    text = report(found)
    out.mkdir(parents=True, exist_ok=True)
    write_atomically(out / "table.md", text)
    save_figure(plot_rollouts(found), out / "rollouts.png")
    save_figure(plot_paths(found), out / "paths.png")
    return text
