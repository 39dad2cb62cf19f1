"""Roll out trained n-body models, and compare errors and energies with the true trajectories.

``python scripts/rollout_nbody.py runs/nbody/fa_kinematic_velocity/version_0`` lets the model of a run of
``train_nbody.py`` predict its own next inputs, ten times from the inputs of the test systems, and writes
tables and plots to ``runs/rollout_nbody``. Several runs are compared on the same systems. A model must
predict velocities, too: ``configs/nbody/fa_kinematic_velocity.yaml``, ``pair_force.yaml``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from fa_pyg import checks
from fa_pyg.config.plain import read
from fa_pyg.datasets import NBody
from fa_pyg.files import write_atomically
from fa_pyg.plot import save_figure
from fa_pyg.train import NBodyData, load_best
from fa_pyg.train.nbody.rollout import Trajectory, free_step, model_step, roll_out, true_trajectory
from fa_pyg.train.nbody.rollout_report import TRUE, plot_paths, plot_rollouts, report

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    given = arguments()
    torch.set_num_threads(1)
    try:
        checks.integer("--steps", given.steps)
        checks.integer("--systems", given.systems, 2, 2000)
        write(given, rollouts(given))
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


def rollouts(given: argparse.Namespace) -> dict[str, Trajectory]:
    """Return the true trajectories, those without forces, and those of the runs by their names."""
    found: dict[str, Trajectory] = {}
    for folder in given.runs:
        if not all((folder / name).is_file() for name in ("config.yaml", "best.ckpt")):
            checks.refuse(
                "runs", "a run folder of train_nbody.py, with config.yaml and best.ckpt", str(folder)
            )
        step, data = model_step(load_best(folder)), systems(folder, given)
        if not found:
            free = roll_out(free_step(data), data, given.steps)
            found = {TRUE: true_trajectory(data, given.steps), "no force": free}
        name = read(folder / "config.yaml")["name"]
        if name in found:
            checks.refuse("runs", "runs of different names", name)
        found[name] = roll_out(step, data, given.steps)
        if found[name].pos.shape != found[TRUE].pos.shape:
            checks.refuse("runs", "the same number of particles in all runs", str(folder))
    return found


def systems(folder: Path, given: argparse.Namespace) -> NBody:
    """Return the first test systems of a run."""
    settings = read(folder / "config.yaml")["data"]
    if given.data is not None:
        settings["root"] = given.data
    return NBodyData(**settings).split("test")[: given.systems]


def write(given: argparse.Namespace, found: dict[str, Trajectory]) -> None:
    text = report(found)
    print(text)
    given.out.mkdir(parents=True, exist_ok=True)
    write_atomically(given.out / "table.md", text)
    save_figure(plot_rollouts(found), given.out / "rollouts.png")
    save_figure(plot_paths(found), given.out / "paths.png")
    print(f"tables and plots in {given.out}")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+", help="folders of runs, with config.yaml and best.ckpt")
    parser.add_argument("--steps", type=int, default=10, help="of the rollout (10)")
    parser.add_argument("--systems", type=int, default=500, help="test systems, the first so many (500)")
    parser.add_argument("--data", type=Path, help="folder of the data (that of each run)")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "rollout_nbody", help="of the results")
    return parser.parse_args()


if __name__ == "__main__":
    main()
