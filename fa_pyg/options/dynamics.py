"""Options of dynamics with trained models."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from fa_pyg import checks
from fa_pyg.files import check_folder
from fa_pyg.files.runs import find_run, missing
from fa_pyg.options.parser import Parser
from fa_pyg.options.predict import FRAMES, TRUST

__all__ = ["dynamics"]

MOST_STEPS = 1e8  # all states are kept in memory


def dynamics(args: Sequence[str] | None = None, prog: str | None = None) -> argparse.Namespace:
    """Parse and check the options of ``fa-pyg dynamics``.

    Raises:
        ValueError: for numbers out of range, and files that do not exist.
    """
    given = _parser(prog).parsed(args)
    _check(given)
    for checkpoint in given.checkpoints:
        find_run(checkpoint)
    if given.xyz is not None and missing([given.xyz]):
        raise ValueError(f"--xyz: expected a file that exists, found {given.xyz}")
    return given


def _parser(prog: str | None) -> Parser:
    example = "example: fa-pyg dynamics runs/molecules/aspirin_haar/version_0 --xyz start.xyz -o out"
    what = "Dynamics at constant energy with trained models: do they conserve it?"
    parser = Parser(prog, what, example, usage="%(prog)s CHECKPOINT... -o OUT [options]")
    add = parser.add_argument
    add("checkpoints", nargs="+", metavar="CHECKPOINT", help="best.ckpt of runs, or their folders")
    add("-o", "--out", required=True, metavar="OUT", help="folder to write to")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--xyz", metavar="FILE", help="molecule to start from")
    index = "or that molecule of the test set of the first run (0)"
    where.add_argument("--index", type=int, default=0, metavar="N", help=index)
    add("--picoseconds", type=float, default=5.0, metavar="X", help="length of the run (5)")
    add("--timestep", type=float, default=0.5, metavar="X", help="in fs (0.5)")
    temperature = "of the initial velocities, in K (500)"
    add("--temperature", type=float, default=500.0, metavar="X", help=temperature)
    add("--seed", type=int, default=0, metavar="N", help="of the initial velocities (0)")
    every = "steps between two structures in the files (20)"
    add("--every", type=int, default=20, metavar="N", help=every)
    add("--batch_size", type=int, default=64, metavar="N", help="structures in a call on the path (64)")
    add("--device", default="cpu", metavar="D", help="cpu (default), cuda, ...")
    add("--dtype", choices=("float32", "float64"), default="float64", help="of the networks (float64)")
    add("--frame", choices=FRAMES, help="to evaluate in; default: that of the training")
    add("--progress", action=argparse.BooleanOptionalAction, default=True, help="show progress bars")
    add("--trust", action="append", default=[], metavar="NAME", help=TRUST)
    return parser


def _check(given: argparse.Namespace) -> None:
    checks.number("--picoseconds", given.picoseconds, above=0)
    checks.number("--timestep", given.timestep, above=0)
    checks.number("--temperature", given.temperature, 0)
    checks.integer("--seed", given.seed, 0, 2**32 - 1)
    checks.integer("--every", given.every)
    checks.integer("--batch_size", given.batch_size)
    check_folder(given.out)
    if given.picoseconds * 1000 > MOST_STEPS * given.timestep:
        expected = f"at most {MOST_STEPS:g} steps of --timestep"
        raise ValueError(f"--picoseconds: expected {expected}, found {given.picoseconds}")
    if given.picoseconds * 1000 < 2 * given.timestep:
        expected = "two steps of --timestep or more"
        raise ValueError(f"--picoseconds: expected {expected}, found {given.picoseconds}")
