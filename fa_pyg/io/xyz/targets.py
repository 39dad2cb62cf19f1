"""Targets of a structure under chosen names: from keys and positions in the comment, and from columns."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor

from fa_pyg import checks
from fa_pyg.io.xyz.attribute_names import is_free
from fa_pyg.io.xyz.grammar import NUMBER_TEXT, floats
from fa_pyg.io.xyz.lines import Block, Text

__all__ = ["Targets", "check_targets", "with_targets"]

Targets = Mapping[str, str | int] | Iterable[str]

_VALUE = re.compile(rb""""([^"]*)"|'([^']*)'|\[([^\]]*)\]|\{([^}]*)\}|([^\s,;"'\[{][^\s,;]*)""")


def check_targets(targets: Targets | None) -> dict[str, str | int] | None:
    """Return targets as a mapping from a name to a key, or to the position of a word in the comment.

    Raises:
        ValueError: for anything that is not targets.
    """
    if targets is None:
        return None
    if isinstance(targets, str) or not isinstance(targets, Mapping | Iterable):
        checks.refuse("targets", "names, or a mapping from names to keys", targets)
    wanted: dict[str, str | int] = {}
    wanted |= targets if isinstance(targets, Mapping) else {name: name for name in targets}
    for name, where in wanted.items():
        is_good = where if isinstance(where, str) else checks.is_integer(where)
        if not (is_free(name) and is_good):
            raise ValueError(
                f"targets: expected a free name and a key or position, found {name!r}: {where!r}"
            )
    return wanted or None


def with_targets(
    text: Text,
    block: Block,
    values: dict[str, Any],
    per_graph: Collection[str],
    names: Mapping[str, str],
    targets: Mapping[str, str | int],
    dtype: torch.dtype,
) -> dict[str, Any]:
    """Return all values under their new names: targets of structures in float64, all others in ``dtype``.

    ``names`` maps keys of the file to names of values.
    """
    targets = {name: names.get(str(where), where) for name, where in targets.items()}
    found = {
        name: _stored(text, block, values[where], where in per_graph, f"{name} ({where})")
        if where in values
        else _read(text, block, name, where)
        for name, where in targets.items()
    }
    exact = {name for name, where in targets.items() if where in per_graph or where not in values}
    kept = {name: value for name, value in values.items() if name not in targets.values()} | found
    return {name: value if name in exact else _narrow(value, dtype) for name, value in kept.items()}


def _narrow(value: Any, dtype: torch.dtype) -> Any:
    return value.to(dtype) if isinstance(value, Tensor) and value.is_floating_point() else value


def _stored(text: Text, block: Block, value: Any, per_graph: bool, what: str) -> Tensor:
    """Return a target that is a named value of the file."""
    if not isinstance(value, Tensor) or not torch.isfinite(value).all():
        raise text.error(block.start + 1, f"finite numbers for {what}")
    return value.double() if per_graph else value


def _read(text: Text, block: Block, name: str, where: str | int) -> Tensor:
    """Return a target from the text of the comment."""
    tokens = _at(block.comment, where) if isinstance(where, int) else _under(block.comment, where.encode())
    numbers = floats(tokens) if tokens and all(map(NUMBER_TEXT.fullmatch, tokens)) else []
    target = torch.tensor(numbers, dtype=torch.float64)
    if not numbers or not torch.isfinite(target).all():
        place = f"as word {where}" if isinstance(where, int) else f"once, after {where}="
        hint = "" if where != name else f"; targets={{{name!r}: KEY}} reads it after another key"
        raise text.error(block.start + 1, f"a comment with finite numbers for {name} {place}{hint}")
    return target if len(numbers) == 1 else target[None]


def _at(comment: bytes, place: int) -> list[bytes]:
    """Return the word at a position from 0, or from the end if negative."""
    words = comment.replace(b",", b" ").replace(b";", b" ").split()
    return [words[place]] if -len(words) <= place < len(words) else []


def _under(comment: bytes, key: bytes) -> list[bytes]:
    """Return the words of a key; none if it is missing or repeated."""
    ends = [match.end() for match in _key(key).finditer(comment)]
    value = _VALUE.match(comment, ends[0]) if len(ends) == 1 else None
    return value[value.lastindex or 0].replace(b",", b" ").split() if value else []


@cache
def _key(key: bytes) -> re.Pattern:
    return re.compile(rb"(?<![^\s,;])" + re.escape(key) + rb"\s*=\s*")
