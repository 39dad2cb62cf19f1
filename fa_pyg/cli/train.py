"""Command ``fa-pyg train``: the training of a task, with configurations by name."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fa_pyg.cli.helps import HELPS, asks, with_full_help
from fa_pyg.cli.named import with_files
from fa_pyg.files.runs import missing
from fa_pyg.options.parser import empty_word, unknown_option

__all__ = ["main"]

CLIS = {
    "nbody": "NBodyCLI",
    "graphs": "GraphCLI",
    "molecules": "MoleculeCLI",
    "normals": "NormalsCLI",
    "shapes": "ClassesCLI",
}
NO_NEXT = "--no-next"  # from commands that train many models
SETTINGS = ("-c", "--config", "--model", "--print_config", "--help")
# Options, or the parts of their names before the first point; what follows is known to a parser with torch.
NAMES = ("--config", "--model", "--data", "--trainer", "--name", "--seed_everything", "--ckpt_path")
NAMES += ("--checkpoint_every", "--trust", "--print_config", "--help")
NEEDED = ("-c", "--config", "--trust")  # read by parsers of their own, which do not know the command
OPTION = re.compile(r"--[a-z][\w.-]*")
FILES = ("--data.dataset.root_or_files", "--data.dataset.init_args.root_or_files")


def main(args: Sequence[str]) -> int:
    """Train a model of a task, the first argument; return 0, 1 if it diverges, or 2 for bad input."""
    task, *given = args
    if asks(given):
        print(HELPS[f"train {task}"], end="")
        return 0
    is_quiet = NO_NEXT in given
    try:
        given = with_files([one for one in with_full_help(given) if one != NO_NEXT], task)
        _check(given, task)
        import fa_pyg.train as train

        results = train.main(given, getattr(train, CLIS[task]), prog=f"fa-pyg train {task}")
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except FloatingPointError as error:  # in each of the processes
        from fa_pyg.train.quiet import say

        say(f"error: {error}", sys.stderr)
        return 1
    if not is_quiet and results:
        from fa_pyg.train.command_line import trusted_names
        from fa_pyg.train.quiet import say

        say(_next(task, results, trusted_names(given)[0]))
    return 0


def _check(args: Sequence[str], task: str) -> None:
    """Refuse what the parser would answer in seconds, or with all its options: unknown and missing options.

    Raises:
        ValueError: naming the option.
    """
    if wrong := empty_word(args):
        raise ValueError(f"{wrong}: expected a value, found an empty one")
    if args[-1:] and args[-1] in NEEDED:
        raise ValueError(f"{args[-1]}: expected a value, found none")
    if not any(one.startswith(SETTINGS) for one in args):
        hint = f"`fa-pyg configs list {task}` shows those that come with fa_pyg"
        raise ValueError(f"--config: expected a name or a file, found none; {hint}")
    for one in args:
        if wrong := unknown_option([_first(one)], NAMES):
            raise ValueError(unknown_option([one], NAMES, OPTION.findall(HELPS[f"train {task}"])) or wrong)
    for name, value in _values(args):
        if name == "--ckpt_path" and value not in ("last", "null") and missing([value]):
            raise ValueError(f"{name}: expected last or a file that exists, found {value}")
        if name in FILES and not set(value) & set("[*?{") and missing([value]):
            raise ValueError(f"{name}: expected a file or folder that exists, found {value}")


def _first(arg: str) -> str:
    """Return an option without its value, and without what follows the first point of its name."""
    return re.split(r"[.=+]", arg, maxsplit=1)[0] if arg.startswith("--") else arg


def _values(args: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield options with their values, given as ``--name=value`` or ``--name value``."""
    for arg, after in zip(args, [*args[1:], ""], strict=True):
        name, sign, value = arg.partition("=")
        yield name, value if sign else after


def _next(task: str, results: Mapping[str, Any], trusted: Sequence[str] = ()) -> str:
    """Say what can be done with a finished run."""
    if not Path(results["folder"], "best.ckpt").exists():
        more = "the same command with --ckpt_path last and a larger --trainer.max_epochs"
        return f"next: {more}; no epoch was validated (--trainer.check_val_every_n_epoch)"
    trust = "".join(f" --trust {shlex.quote(name)}" for name in trusted)
    folder = shlex.quote(results["folder"]) + trust
    predict = f"fa-pyg predict {task} {folder}"
    follow = {
        "molecules": f"{predict} FILE.xyz -o out.xyz, or fa-pyg dynamics {folder} -o out",
        "normals": f"{predict} SCAN.ply -o out",
    }
    load = f'fa_pyg.train.load_best("{results["folder"]}")'
    if task == "nbody":
        load += f", or fa-pyg rollout {shlex.quote(results['folder'])} if it predicts velocities"
    return f"next: {follow.get(task, load)}"
