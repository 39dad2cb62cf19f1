"""Command lines of trainings: which names they trust, and whether their configurations name others."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Mapping, Sequence

from fa_pyg.config.allowlist import Allowlist
from fa_pyg.config.settings import Unfit, held, parse, read, short
from fa_pyg.config.trust import check

__all__ = ["TRUST", "check_configs", "explained", "trusted"]

TRUST = (
    "--trust NAME, given as often as needed: a class (my_net.Net), or a module with its classes (my_net), "
    "that a configuration may name beside those of fa_pyg, torch.nn and torch_geometric.nn. It is imported."
)


def trusted(args: Sequence[str]) -> tuple[list[str], list[str]]:
    """The names after ``--trust``, which no file can say, and the other arguments."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--trust", action="append", default=[])
    found, rest = parser.parse_known_args(list(args))
    return found.trust, rest


def check_configs(args: Sequence[str], kinds: Mapping[str, type], allowed: Allowlist) -> None:
    """Refuse configurations of a command line, files or YAML in place of one, that name what is not trusted.

    Args:
        args: the arguments, of which those of ``--config`` are looked at.
        kinds: the class that is built from each section.
        allowed: what they may name.

    Raises:
        ValueError: naming the file, and the place in it.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("-c", "--config", action="append", default=[])
    for config in parser.parse_known_args(list(args))[0].config:
        is_file = os.path.isfile(config)  # False, too, for text that no file could be called
        if not is_file and not _is_settings(config):
            expected = "a file of this machine, or settings in YAML"
            raise ValueError(f"--config: expected {expected}, found {short(config)}")
        settings = read(config) if is_file else parse(config, "--config")
        source = config if is_file else "--config"
        if "config" in settings:  # which would be read, and by nothing that looks at it first
            raise ValueError(f"{source}: config: expected no other file, found {short(settings['config'])}")
        check(settings, kinds, source, allowed)


def _is_settings(text: str) -> bool:
    try:
        return isinstance(held(text), dict)
    except Unfit:
        return False


def explained(message: str) -> str:
    """An error of jsonargparse about a name that is not allowed, in the words of these command lines."""
    return re.sub(
        r", denied by the '\*' entry of .*? to allow it\.",
        ": --trust NAME allows a class or module.",
        message,
    )
