"""Targets of a structure under names of one's own: from keys and places in the comment, from columns."""

import re
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor

from fa_pyg.io.xyz.attribute_names import is_free
from fa_pyg.io.xyz.blocks import Block, Text
from fa_pyg.io.xyz.grammar import NUMBER_TEXT, floats

Targets = Mapping[str, str | int] | Iterable[str]

_VALUE = re.compile(rb""""([^"]*)"|'([^']*)'|\[([^\]]*)\]|\{([^}]*)\}|([^\s,;"'\[{][^\s,;]*)""")


def check_targets(targets: Targets | None) -> dict[str, str | int] | None:
    """Targets as a mapping from a name to a key, or to the place of a number in the comment."""
    if targets is None:
        return None
    if isinstance(targets, str) or not isinstance(targets, Mapping | Iterable):
        raise ValueError(f"targets: found {targets!r}, expected names, or a mapping from names to keys")
    targets = dict(targets) if isinstance(targets, Mapping) else {name: name for name in targets}
    for name, where in targets.items():
        good = (isinstance(where, str) and where) or (isinstance(where, int) and not isinstance(where, bool))
        if not (is_free(name) and good):
            raise ValueError(f"targets: found {name!r}: {where!r}, expected a free name and a key or place")
    return targets or None


def with_targets(
    text: Text,
    block: Block,
    values: dict[str, Any],
    per_graph: Collection[str],
    names: Mapping[str, str],
    targets: Mapping[str, str | int],
    dtype: torch.dtype,
) -> dict[str, Any]:
    """All values under their new names: targets of structures in float64, everything else in `dtype`.

    `names` are those that the values have, of the keys of the file.
    """
    targets = {name: names.get(where, where) for name, where in targets.items()}
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
    """What the file itself gave a name to."""
    if not isinstance(value, Tensor) or not torch.isfinite(value).all():
        raise text.error(block.start + 1, f"finite numbers for {what}")
    return value.double() if per_graph else value


def _read(text: Text, block: Block, name: str, where: str | int) -> Tensor:
    """What only the comment says."""
    tokens = _at(block.comment, where) if isinstance(where, int) else _under(block.comment, where.encode())
    numbers = floats(tokens) if tokens and all(map(NUMBER_TEXT.fullmatch, tokens)) else []
    target = torch.tensor(numbers, dtype=torch.float64)
    if not numbers or not torch.isfinite(target).all():
        place = f"as word {where}" if isinstance(where, int) else f"once, after {where}="
        hint = "" if where != name else f"; targets={{{name!r}: KEY}} reads it after another key"
        raise text.error(block.start + 1, f"a comment with finite numbers for {name} {place}{hint}")
    return target if len(numbers) == 1 else target[None]


def _at(comment: bytes, place: int) -> list[bytes]:
    """The word of that place, counted from 0, or from the end if negative."""
    words = comment.replace(b",", b" ").replace(b";", b" ").split()
    return [words[place]] if -len(words) <= place < len(words) else []


def _under(comment: bytes, key: bytes) -> list[bytes]:
    """The words that a key has; none if it is not there, or twice."""
    ends = [match.end() for match in _key(key).finditer(comment)]
    value = _VALUE.match(comment, ends[0]) if len(ends) == 1 else None
    return value[value.lastindex].replace(b",", b" ").split() if value else []


@cache
def _key(key: bytes) -> re.Pattern:
    return re.compile(rb"(?<![^\s,;])" + re.escape(key) + rb"\s*=\s*")
