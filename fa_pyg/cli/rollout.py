"""Command ``fa-pyg rollout``: trained n-body models on their own predictions, against true trajectories."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from fa_pyg import checks
from fa_pyg.cli.places import base
from fa_pyg.files import check_folder
from fa_pyg.files.runs import find_run
from fa_pyg.options import Parser

__all__ = ["main"]


def main(args: Sequence[str]) -> int:
    """Run the command line; return 0, 1 if the predictions of a model are not numbers, 2 for bad input."""
    given = _parser().parsed(args)
    try:
        checks.integer("--steps", given.steps)
        checks.integer("--systems", given.systems, 2, 2000)
        check_folder(given.out)
        for run in given.runs:
            find_run(run)
        from fa_pyg.train.nbody.rollouts import rollouts, write

        found = rollouts(given.runs, given.steps, given.systems, given.data)
        print(write(found, given.out))
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"tables and plots in {given.out}")
    if useless := [name for name, one in found.items() if one.pos[1].isnan().flatten(1).any(1).all()]:
        first = f"NaN in all of the {given.systems} systems at the first step"
        print(f"error: {', '.join(useless)}: expected positions, found {first}", file=sys.stderr)
        return 1
    print(f"next: {given.out / 'rollouts.png'} shows errors and energies, paths.png the trajectories")
    return 0


def _parser() -> Parser:
    what = "Roll out trained n-body models, and compare errors and energies with the true trajectories."
    parser = Parser("fa-pyg rollout", what)
    add = parser.add_argument
    add("runs", type=Path, nargs="+", help="folders of runs, with config.yaml and best.ckpt")
    add("--steps", type=int, default=10, help="of the rollout (10)")
    add("--systems", type=int, default=500, help="test systems, the first so many (500)")
    add("--data", type=Path, help="folder of the data (that of each run)")
    out = base() / "runs" / "rollout_nbody"
    add("--out", type=Path, default=out, help="of the results (runs/rollout_nbody)")
    return parser
