"""Command line ``fa-pyg``: finds the module of a command and imports no other, so that help comes at once."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

from fa_pyg.cli.commands import COMMANDS, Command, group_help, groups, overview
from fa_pyg.cli.streams import closed_pipes_allowed
from fa_pyg.memory import keep_freed_memory
from fa_pyg.options import close

__all__ = ["main"]

HELP = ("-h", "--help")


def main(args: Sequence[str] | None = None) -> int:
    """Run a command; return 0, 1 if a part of it failed or it was interrupted, or 2 for bad input."""
    words = list(sys.argv[1:] if args is None else args)
    try:
        with closed_pipes_allowed():
            return _run(words)
    except OSError as error:  # of the output: a disk that is full
        if sys.stderr is not None:
            print(f"error: output: expected to be written, found {error}", file=sys.stderr)
        return 2


def _run(words: list[str]) -> int:
    if words[:1] == ["help"]:
        words = [*words[1:], "--help"]
    if not words or words[0] in HELP:
        print(overview(), end="")
        return 0
    if words[0] in ("-V", "--version"):
        from fa_pyg import __version__

        print(f"fa-pyg {__version__}")
        return 0
    for name in (" ".join(words[:2]), words[0]):
        if name in COMMANDS:
            return _start(COMMANDS[name], words[len(name.split()) :])
    return _unknown(words)


def _start(command: Command, args: list[str]) -> int:
    """Run a command on the arguments after its name."""
    if any(one.partition("=")[0] == "--trust" for one in args):
        sys.path.append(os.getcwd())  # at the end: a file here hides no module
    keep_freed_memory()
    try:
        return import_module(f"fa_pyg.cli.{command.module}").main([*command.first, *args])
    except KeyboardInterrupt:
        print(f"\nInterrupted; {command.interrupted}", file=sys.stderr)
        return 1
    except ImportError as error:
        if "pip install" not in str(error):  # not a missing extra
            raise
        print(f"error: {error}", file=sys.stderr)
        return 2


def _unknown(words: Sequence[str]) -> int:
    """Show the help of a group, or refuse a name that is not a command."""
    group = words[0] if words[0] in groups() else None
    found = words[1:2] if group else words[:1]
    if group and found and found[0] in HELP:
        print(group_help(group), end="")
        return 0
    known = groups()[group] if group else list(groups())
    shown = repr(found[0]) + close(found[0], known) if found else "nothing"
    name = f"fa-pyg {group}" if group else "fa-pyg"
    print(f"error: {name}: expected one of {', '.join(known)}, found {shown}", file=sys.stderr)
    print(f"{name} --help shows more", file=sys.stderr)
    return 2
