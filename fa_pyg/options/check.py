"""Options of the check of a model."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fa_pyg import checks
from fa_pyg.files import check_folder, check_target
from fa_pyg.files.runs import find_run, missing
from fa_pyg.options.parser import Parser, close

__all__ = ["SECTIONS", "check"]

SECTIONS = (
    "finite", "determinism", "batch", "permutation", "translation", "equivariance", "gradients", "forces",
    "continuity", "smoothness", "modes",
)  # fmt: skip
EXAMPLES = """\
examples:
  fa-pyg check my_module:make_model --data molecules.xyz --group "E(3)"
  fa-pyg check my_file.py:make_model --output energy=scalar forces=vector --html report.html
  fa-pyg check my_module:make_model --edges radius=5.0 --map positions=pos --only equivariance,forces
  fa-pyg check my_module:make_calculator --data slab.xyz      an ASE calculator
  fa-pyg check runs/aspirin --data aspirin.xyz                a potential trained by fa-pyg
  fa-pyg check my_graphs:make_model --data my_graphs:make_data --group "S(n)"

Modules and files that are named are run: they are your own code. The exit status is 0 if no fault is found,
1 if there is one, or the model raises on some of the structures, 2 if the model cannot be checked.
"""


def check(args: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse and check the options of ``fa-pyg check``; ``read`` has those that are read from text.

    Raises:
        ValueError: for values out of range, files that do not exist, and outputs that cannot be written.
    """
    given = _parser().parsed(args)
    given.read = _checked(given)
    return given


def _parser() -> Parser:
    what = (
        "Check whether any model is invariant or equivariant, independent of the batch, conservative,\n"
        "continuous, ...: errors of each output under each kind of motion."
    )
    parser = Parser("fa-pyg check", what, EXAMPLES)
    parser.add_argument(
        "model",
        help="module:name or file.py:name of a model, or of a function without arguments that makes one; or "
        "the folder or checkpoint of a potential trained by fa-pyg",
    )
    parser.add_argument(
        "--data",
        nargs="+",
        metavar="FILE",
        help="XYZ files, or module:name of PyG data or of a function that makes them (default: molecules)",
    )
    _add_options(parser.add_argument)
    _add_effort(parser)
    return parser


def _add_options(add: Any) -> None:
    add("--group", default="E(3)", help='symmetry: "E(3)" (default), "SE(3)", "O(2)", "Oh", "S(n)", ...')
    add(
        "--inputs",
        nargs="+",
        default=[],
        metavar="NAME=REP",
        help="pos=point vel=vector",
    )
    add("--output", nargs="+", default=[], metavar="NAME=REP", help="energy=scalar forces=vector, or one REP")
    add("--map", nargs="+", default=[], metavar="PARAMETER=ATTRIBUTE", help="what a parameter receives: q=z")
    add("--edges", metavar="radius=R", help="build the edges that the model needs within this distance")
    add("--only", metavar="NAME,...", help=f"some of the checks: {','.join(SECTIONS)}")
    add("--dtype", choices=("float32", "float64"), help="check in one precision (default: both)")
    add("--train", action="store_true", help="check in training mode (default: evaluation)")
    add("--tol", type=float, help="accept errors up to this, relative to the variation of the output")
    add("--allow-errors", action="store_true", help="accept that the model raises on some structures")
    add("--html", metavar="FILE", help="write one page with plots")
    add("--out", metavar="FOLDER", help="write text, page and the worst inputs (as XYZ)")
    add("--trust", action="append", default=[], help="class that the settings of a checkpoint may name")


def _add_effort(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--num", type=int, default=20, help="number of structures taken from the data (20)")
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (0)")
    effort = parser.add_mutually_exclusive_group()
    quick, full = "fewer motions, lines and scans (default if the model is slow)", "all, also if it is slow"
    effort.add_argument("--quick", action="store_const", const=True, help=quick)
    effort.add_argument("--full", dest="quick", action="store_const", const=False, help=full)


def _checked(given: argparse.Namespace) -> dict[str, Any]:
    """Check the options, and return those that are read from text."""
    checks.integer("--num", given.num)
    checks.integer("--seed", given.seed, 0, checks.MOST)
    checks.number("--tol", given.tol, 0, optional=True)
    _check_files(given)
    return {
        "inputs": _pairs("--inputs", given.inputs) or None,
        "output": _output(given.output),
        "names": _pairs("--map", given.map),
        "edges": _radius(given.edges),
        "only": _sections(given.only),
    }


def _check_files(given: argparse.Namespace) -> None:
    """Refuse files that do not exist or are not opened, and those that cannot be written."""
    for target in given.data or ():
        if target.endswith((".pt", ".pth", ".pkl", ".npz")):
            expected = "XYZ files or module:name"
            raise ValueError(f"--data: expected {expected}, found {target}; such files are not opened")
        if missing([file := _file(target)]) and not _is_module(target):
            raise ValueError(f"--data: expected a file that exists, or module:name, found {file}")
    if Path(given.model).is_dir():
        find_run(given.model)
    elif missing([file := _file(given.model)]) and not _is_module(given.model):
        expected = "a file that exists" if "." in file else "module:name, file.py:name or a checkpoint"
        raise ValueError(f"model: expected {expected}, found {file}")
    if given.html:
        check_target(given.html)
    if given.out:
        check_folder(given.out)


def _file(target: str) -> str:
    """Return the file of ``file.py:name``; other targets as they are."""
    return target.rpartition(":")[0] if ".py:" in target else target


def _is_module(target: str) -> bool:
    return ":" in target and ".py:" not in target


def _sections(text: str | None) -> list[str] | None:
    if text is None:
        return None
    names = text.replace(" ", "").split(",")
    for name in names:
        if name not in SECTIONS:
            expected = f"some of {', '.join(SECTIONS)}"
            raise ValueError(f"--only: expected {expected}, found {name!r}{close(name, SECTIONS)}")
    return names


def _pairs(option: str, words: Sequence[str]) -> dict[str, str]:
    found = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not (name and sign and value):
            raise ValueError(f"{option}: expected NAME=VALUE, found {word!r}")
        if name in found:
            raise ValueError(f"{option}: expected each name once, found {name!r} twice")
        found[name] = value
    return found


def _output(words: Sequence[str]) -> dict[str, str] | str | None:
    if len(words) == 1 and "=" not in words[0]:
        return words[0]
    return _pairs("--output", words) or None


def _radius(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return float(text.removeprefix("radius="))
    except ValueError:
        raise ValueError(f"--edges: expected radius=R, such as radius=5.0, found {text!r}") from None
