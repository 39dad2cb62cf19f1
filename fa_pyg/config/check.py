"""Check of configuration files of other people against an allowlist, before anything is imported or built."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum
from functools import cache
from inspect import Parameter, isclass
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from fa_pyg.config.allowlist import ARGUMENTS, EXPECTED, Allowlist
from fa_pyg.config.parameters import parameters
from fa_pyg.config.plain import LimitError, parse_text, short

__all__ = ["Accepts", "check", "only_weights"]

SPEC = {"class_path", "init_args", "dict_kwargs"}
DATA = (str, int, float, bool, complex, bytes, NoneType, object, timedelta, Any, Parameter.empty)
DATA += (list, dict, tuple, set, Sequence, Iterable, Mapping)
FILES = (Path, os.PathLike)


class Accepts(Enum):
    """Values that an argument accepts, by its annotation."""

    DATA = "numbers, text, lists"  # also without an annotation: no object is built there
    CLASSES = "a class or function, by its full name"
    NAMES = "a class or function by its full name, or a word"
    FILES = "a class or function by its full name, or a file"
    ANY = "unknown: the class is given elsewhere"


def check(
    settings: Mapping[str, Any], kinds: Mapping[str, Callable], source: str | Path, allowed: Allowlist
) -> None:
    """Refuse settings that name what is not on the list, or a class where none is expected.

    Walks plain data: nothing is imported or called.

    Args:
        settings: as :func:`~fa_pyg.config.plain.read` returns them.
        kinds: the class or function that is called with each section; other settings are numbers and text.
        source: its name in errors.
        allowed: the list.

    Raises:
        ValueError: with the source and the place in it, what was found and what is expected.
    """
    walk = _Walk(str(source), allowed)
    for key, value in settings.items():
        walk.key(key, "")
        if key in kinds:
            if value is None:
                walk.refuse(key, value, "arguments by their names")
            walk.arguments(value, kinds[key], key)
        else:
            walk.value(value, Accepts.DATA, key)


@contextmanager
def only_weights() -> Iterator[None]:
    """Make every ``torch.load`` read tensors and plain data only, also inside other packages.

    Not guaranteed: anything for other threads; the setting belongs to the process.
    """
    names = {"TORCH_FORCE_WEIGHTS_ONLY_LOAD": "1", "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": None}
    kept = {name: os.environ.pop(name, None) for name in names}
    try:
        os.environ.update({name: value for name, value in names.items() if value})
        yield
    finally:
        for name, value in kept.items():
            os.environ.pop(name, None)
            os.environ.update({} if value is None else {name: value})


@dataclass
class _Walk:
    """Walk through the settings of one source."""

    source: str
    allowed: Allowlist

    def refuse(self, where: str, found: object, expected: str) -> None:
        raise ValueError(f"{self.source}: {where}: expected {expected}, found {short(found)}")

    def key(self, name: object, where: str) -> None:
        if not isinstance(name, str) or not re.fullmatch(r"(?!__)[A-Za-z_][A-Za-z0-9_]*", name):
            self.refuse(where or "settings", name, "names of arguments")

    def arguments(self, given: Any, kind: Callable, where: str) -> None:
        """Check the arguments of a class or function."""
        if given is None:
            return
        if not isinstance(given, Mapping):
            self.refuse(where, given, "arguments by their names")
        accepts = _accepted(kind)
        for name, value in given.items():
            self.key(name, where)
            self.value(value, accepts.get(name, Accepts.DATA), f"{where}.{name}")

    def value(self, value: Any, accepts: Accepts, where: str) -> None:
        if isinstance(value, Mapping):
            self.mapping(value, accepts, where)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                self.value(item, accepts, f"{where}[{index}]")
        elif isinstance(value, str):
            self.text(value, accepts, where)
        elif value is not None and not isinstance(value, bool | int | float | date):
            self.refuse(where, value, accepts.value)

    def mapping(self, value: Mapping, accepts: Accepts, where: str) -> None:
        if "class_path" in value:
            self.spec(value, accepts, where)
            return
        inner = accepts if accepts is Accepts.DATA else Accepts.ANY  # arguments of a class named elsewhere
        for name, item in value.items():
            if str(name).startswith("__"):
                self.key(name, where)
            self.value(item, inner, f"{where}.{name}")

    def spec(self, value: Mapping, accepts: Accepts, where: str) -> None:
        """Check a class with its arguments."""
        if accepts is Accepts.DATA:
            self.refuse(where, f"class_path: {value['class_path']}", f"{accepts.value}, and not a class")
        if odd := set(value) - SPEC:
            self.refuse(where, sorted(map(str, odd)), f"beside class_path only {sorted(SPEC)}")
        kind = self.named(value["class_path"], f"{where}.class_path")
        self.only(value, kind, where)
        self.arguments(value.get("init_args"), kind, f"{where}.init_args")
        self.value(value.get("dict_kwargs"), Accepts.DATA, f"{where}.dict_kwargs")

    def only(self, value: Mapping, kind: Any, where: str) -> None:
        """Refuse arguments of a class of which only some are safe, unless it is trusted."""
        safe = ARGUMENTS.get(f"{kind.__module__}.{kind.__qualname__}") if isclass(kind) else None
        if safe is None or value["class_path"] in self.allowed.trust:
            return
        given = {*(value.get("init_args") or {}), *(value.get("dict_kwargs") or {})}
        if odd := given - set(safe):
            self.refuse(where, sorted(odd), f"of the arguments of {kind.__name__} only {sorted(safe)}")

    def text(self, value: str, accepts: Accepts, where: str) -> None:
        """Check text: a name where a class is expected; elsewhere settings in YAML must be data as well."""
        if accepts is Accepts.CLASSES or (accepts is Accepts.NAMES and "." in value):
            self.named(value, where)
            return
        try:
            inner = parse_text(value)
        except LimitError as error:
            self.refuse(where, value, f"settings, {error}")
        if isinstance(inner, dict | list):
            self.value(inner, Accepts.DATA, where)

    def named(self, name: Any, where: str) -> Any:
        found = self.allowed.find(name)
        if found is None:
            self.refuse(where, name, EXPECTED)
        return found


@cache
def _accepted(kind: Any) -> dict[str, Accepts]:
    """Return what the arguments of a class or function accept, with those of ``**kwargs``."""
    hints = parameters(kind) if callable(kind) else {}
    return {name: _of_types(set(_leaves(hint))) for name, hint in hints.items()}


def _of_types(leaves: set[Any]) -> Accepts:
    if not any(one is Callable or (isclass(one) and one not in (*DATA, *FILES)) for one in leaves):
        return Accepts.DATA
    if leaves & set(FILES):
        return Accepts.FILES
    return Accepts.NAMES if str in leaves else Accepts.CLASSES


def _leaves(hint: Any) -> Iterator[Any]:
    """Yield the types that an annotation consists of."""
    origin = get_origin(hint)
    if origin is Literal:
        yield str
    elif origin is Annotated:
        yield from _leaves(get_args(hint)[0])
    elif origin in (Callable, type) or hint in (Callable, type):
        yield Callable
    elif origin is not None:
        for inner in get_args(hint):
            yield from _leaves(inner)
    elif hint is not Ellipsis:
        yield hint
