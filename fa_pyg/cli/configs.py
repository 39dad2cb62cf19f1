"""Commands ``fa-pyg configs list`` and ``fa-pyg configs copy``."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from fa_pyg.cli.named import find_config, first_comment, names
from fa_pyg.cli.places import FOLDERS, configs
from fa_pyg.files import write_atomically
from fa_pyg.options import Parser, close

__all__ = ["main"]

ALL = tuple(dict.fromkeys(FOLDERS.values()))


def main(args: Sequence[str]) -> int:
    """Run the command line; return 0, or 2 if nothing was done."""
    given = _parser().parsed(args)
    try:
        return given.run(given)
    except BrokenPipeError:
        raise
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _parser() -> Parser:
    parser = Parser("fa-pyg configs", "Configurations that come with fa_pyg.")
    commands = parser.add_subparsers(required=True)
    add = commands.add_parser("list", description="Names of the configurations, and what each is.")
    add.add_argument("task", nargs="?", help=f"one of {', '.join(FOLDERS)} (all)")
    add.set_defaults(run=_list)
    add = commands.add_parser("copy", description="Copy a configuration, to edit it.")
    add.add_argument("name", help="of the configuration; molecules/NAME, ... where it is not unique")
    add.add_argument("dest", nargs="?", type=Path, default=Path(), help="file or folder to write (here)")
    add.add_argument("--force", action="store_true", help="write over a file that exists")
    add.set_defaults(run=_copy)
    return parser


def _list(given: argparse.Namespace) -> int:
    task: str | None = given.task
    if task is not None and task not in FOLDERS and task not in ALL:
        hint = close(task, FOLDERS)
        raise ValueError(f"task: expected one of {', '.join(FOLDERS)}, found {task!r}{hint}")
    folders = ALL if task is None else [FOLDERS.get(task, task)]
    width = max(len(name) for folder in folders for name in names(folder))
    for folder in folders:
        if len(folders) > 1:
            print(f"{folder}:")
        for name in names(folder):
            print(f"  {name:{width}}  {first_comment(configs() / folder / f'{name}.yaml')}")
    return 0


def _copy(given: argparse.Namespace) -> int:
    source = find_config(given.name, ALL, "name")
    target = given.dest / source.name if given.dest.is_dir() else given.dest
    if os.path.lexists(target) and not given.force:  # also a link that leads nowhere
        kind = "the link " if target.is_symlink() else ""
        raise ValueError(f"dest: expected a new file, found {kind}{target}; --force replaces it")
    write_atomically(target, source.read_text(encoding="utf-8"), follow_links=False)
    print(f"written to {target}")
    task = next(task for task, folder in FOLDERS.items() if folder == source.parent.name)
    command = "reproduce separation" if task == "graphs" else f"train {task}"
    print(f"next: edit it, then fa-pyg {command} --config {shlex.quote(str(target))}")
    return 0
