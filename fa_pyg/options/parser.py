"""Parser of command lines, with errors of one line that name similar options. No torch needed."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

__all__ = ["Parser", "close", "close_option", "empty_word", "printable", "unknown_option"]

# Errors of argparse in the grammar of this package.
REWRITTEN = (
    (r"the following arguments are required: (.*)", r"\1: expected a value, found none"),
    (r"unrecognized arguments: (.*)", r"arguments: expected no more, found \1"),
    (r"(\S+): expected (?:one|at least one) argument", r"\1: expected a value, found none"),
    (r"(\S+): invalid int value: (.*)", r"\1: expected a whole number, found \2"),
    (r"(\S+): invalid float value: (.*)", r"\1: expected a number, found \2"),
    (r"(\S+): ignored explicit argument (.*)", r"\1: expected no value, found \2"),
    (r"one of the arguments (.*) is required", r"\1: expected one of them, found none"),
)
CHOICE = re.compile(r"(?P<name>\S+): invalid choice: (?P<found>.*) \(choose from (?P<known>.*)\)")


def close(name: str, known: Iterable[str]) -> str:
    """Return a hint at the most similar names, empty without any."""
    return _hint(get_close_matches(name, list(known), 3, 0.6))


def printable(text: str) -> str:
    """Escape what is not printable: names of files may hold what a terminal obeys."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text
    )


def _hint(names: Sequence[str]) -> str:
    return f" (did you mean {' or '.join(names)}?)" if names else ""


def close_option(name: str, known: Iterable[str]) -> str:
    """Return a hint at similar options, or at those in groups: ``--trainer.max_epochs`` for ``--epochs``."""
    known = list(dict.fromkeys(known))
    word, ends = name.lstrip("-"), {one: one.rpartition(".")[2] for one in known}
    same = [one for one, end in ends.items() if end == word]
    inside = [one for one, end in ends.items() if len(word) > 1 and word in end]
    return _hint(same) or close(name, known) or _hint(inside[:3])


def unknown_option(args: Sequence[str], known: Iterable[str], similar: Iterable[str] = ()) -> str | None:
    """Return an error for the first option ``--name`` that is not known, with a hint at similar ones.

    Args:
        args: the command line.
        known: all options.
        similar: more that the hint may name.
    """
    known = list(known)
    for arg in args:
        if arg == "--":
            return None
        name = arg.partition("=")[0]
        if name.startswith("--") and name not in known:
            hint = close_option(name, [*similar, *known])
            return f"option: expected one of this command, found {name!r}{hint}"
    return None


class Parser(argparse.ArgumentParser):
    """Parser without abbreviations, whose errors read ``name: expected E, found F``; then it exits with 2.

    Args:
        prog: the command.
        description: of the command.
        epilog: examples, line by line.
    """

    def __init__(self, prog: str | None = None, description: str = "", epilog: str = "", **more: Any) -> None:
        super().__init__(
            prog,
            description=description,
            epilog=epilog,
            allow_abbrev=False,
            formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, max_help_position=28),
            **more,
        )

    def parsed(self, args: Sequence[str] | None = None) -> argparse.Namespace:
        """Parse a command line; an option that does not exist is told before one that is missing."""
        words = sys.argv[1:] if args is None else list(args)
        if wrong := unknown_option(words, self._names()):
            self.error(wrong)
        if empty := empty_word(words):
            self.error(f"{empty}: expected a value, found an empty one")
        return self.parse_args(words)

    def _names(self) -> Iterator[str]:
        """Options of this parser and of its commands."""
        for action in self._actions:
            yield from action.option_strings
            parts = action.choices if isinstance(action, argparse._SubParsersAction) else None
            for one in parts.values() if isinstance(parts, dict) else ():
                yield from one._names()

    def error(self, message: str) -> NoReturn:
        text = _explained(message.removeprefix("argument "))
        self.exit(2, f"error: {printable(text)}\n{self.prog} --help shows all options\n")


def empty_word(words: Sequence[str]) -> str | None:
    """Return the option, or "arguments", of the first empty word: an unset variable of a shell."""
    for before, word in zip(["", *words], words, strict=False):
        if word.startswith("--") and word.endswith("="):
            return word[:-1]
        if not word:
            return before if before.startswith("-") else "arguments"
    return None


def _explained(message: str) -> str:
    """Error of argparse as one of this package."""
    if found := CHOICE.fullmatch(message):
        known = found["known"].replace("'", "").split(", ")
        given = found["found"]
        hint = close(given.strip("'"), known)
        message = f"{found['name']}: expected one of {', '.join(known)}, found {given}{hint}"
    for pattern, text in REWRITTEN:
        message = re.sub(f"^{pattern}$", text, message, flags=re.S)
    return re.sub(r"(?<![\w-])-\w/(?=--)", "", message)  # -o/--out is --out
