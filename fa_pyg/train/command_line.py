"""Command lines of trainings: the names that they trust, and the check of their configurations."""

from __future__ import annotations

import argparse
import os
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence

import yaml

from fa_pyg.config.allowlist import Allowlist
from fa_pyg.config.check import check
from fa_pyg.config.plain import LimitError, parse, parse_text, read, short
from fa_pyg.options.parser import close_option

__all__ = ["TRUST", "check_configs", "explain", "trusted_names", "with_new_text"]

TRUST = (
    "--trust NAME, given as often as needed: a class (my_net.Net), or a module with its classes (my_net), "
    "that a configuration may name beside those of fa_pyg, torch.nn and torch_geometric.nn. It is imported."
)


def trusted_names(args: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split the names after ``--trust``, which a file cannot hold, from the other arguments."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--trust", action="append", default=[])
    found, rest = parser.parse_known_args(list(args))
    return found.trust, rest


def check_configs(args: Sequence[str], kinds: Mapping[str, type], allowed: Allowlist) -> None:
    """Refuse configurations, files or YAML in place of one, that name what is not trusted.

    Args:
        args: the arguments, of which only those of ``--config`` are read.
        kinds: the class that is built from each section.
        allowed: the names that they may hold.

    Raises:
        ValueError: naming the file, and the place in it.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("-c", "--config", action="append", default=[])
    for config in parser.parse_known_args(list(args))[0].config:
        is_file = os.path.isfile(config)  # False, too, for text that cannot be a file name
        if not is_file and not _is_settings(config):
            expected = "a file of this machine, or settings in YAML"
            raise ValueError(f"--config: expected {expected}, found {short(config)}")
        settings = read(config) if is_file else parse(config, "--config")
        source = config if is_file else "--config"
        if "config" in settings:  # would be read later, unchecked
            raise ValueError(f"{source}: config: expected no other file, found {short(settings['config'])}")
        check(settings, kinds, source, allowed)


def _is_settings(text: str) -> bool:
    try:
        return isinstance(parse_text(text), dict)
    except LimitError:
        return False


def with_new_text(text: str) -> str:
    """Return settings in YAML with the new names of arguments; the same text if there are no old ones."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always", DeprecationWarning)
        settings = parse(text, "--config")
    return yaml.safe_dump(settings, sort_keys=False) if found else text


def explain(message: str, known: Iterable[str] = ()) -> str:
    """Replace jsonargparse's hint in an error about a name that is not allowed; add one for old names.

    Args:
        message: the error.
        known: options, which an error about another one gets a hint at.
    """
    if unknown := re.search(r"unrecognized arguments: (--[\w.]+)", message, re.IGNORECASE):
        message += close_option(unknown[1], known)
    old = re.search(r"Option '(hidden|layers)' is not accepted", message)
    if old:
        new = {"hidden": "hidden_channels", "layers": "num_layers"}[old[1]]
        message = message.replace(old[0], f"{old[0]} (models of fa_pyg call it '{new}')")
    return re.sub(
        r", denied by the '\*' entry of .*? to allow it\.",
        ": --trust NAME allows a class or module.",
        message,
    )
