"""Configuration files of other people: checked against an allowlist before anything is imported or built.

Two walls. :func:`check` walks the plain settings, which runs nothing, and refuses every name that is not on
the list and every class where an argument takes none, with its place in the file. :func:`guarded` then lets
jsonargparse import what is on the list and nothing else, whatever the file made of it.
"""

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

from jsonargparse import _common, set_parsing_settings
from jsonargparse._parameter_resolvers import get_signature_parameters

from fa_pyg.config.allowlist import EXPECTED, Allowlist
from fa_pyg.config.settings import Unfit, held, short

__all__ = ["check", "guarded"]

SPEC = {"class_path", "init_args", "dict_kwargs"}
DATA = (str, int, float, bool, complex, bytes, NoneType, object, timedelta, Any, Parameter.empty)
DATA += (list, dict, tuple, set, Sequence, Iterable, Mapping)
FILES = (Path, os.PathLike)


class Takes(Enum):
    """What an argument may be given, by its annotation."""

    DATA = "numbers, text, lists"  # also without an annotation: nothing is built from there
    CLASSES = "a class or function, by its full name"
    NAMES = "a class or function by its full name, or a word"
    FILES = "a class or function by its full name, or a file"
    ANY = "unknown: the class is given elsewhere"


def check(
    settings: Mapping[str, Any], kinds: Mapping[str, type], source: str | Path, allowed: Allowlist
) -> None:
    """Refuse settings that name what is not on the list, or a class where none is expected.

    Args:
        settings: as :func:`~fa_pyg.config.settings.read` gives them.
        kinds: the class that is built from each section; other settings are numbers and text.
        source: what errors call it.
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
            walk.value(value, Takes.DATA, key)


@contextmanager
def guarded(allowed: Allowlist) -> Iterator[None]:
    """While it lasts jsonargparse imports only what is on the list and builds nothing for arguments without
    a type, and ``torch.load`` reads nothing but numbers, also inside of data sets of other packages.

    Not guaranteed: anything for other threads; these settings are those of the process.
    """
    kept = dict(_common.parsing_settings)
    try:
        _common.parsing_settings["import_path_verdicts"] = {}
        set_parsing_settings(
            import_path_denylist=["*"],
            import_path_allowlist=[*allowed.known, *allowed.packages],
            instantiate_subclass_spec_in_any=False,
        )
        with _only_numbers():
            yield
    finally:
        _common.parsing_settings.clear()
        _common.parsing_settings.update(kept)


@contextmanager
def _only_numbers() -> Iterator[None]:
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
    """A walk through the settings of one source."""

    source: str
    allowed: Allowlist

    def refuse(self, where: str, found: object, expected: str) -> None:
        raise ValueError(f"{self.source}: {where}: expected {expected}, found {short(found)}")

    def key(self, name: object, where: str) -> None:
        if not isinstance(name, str) or not re.fullmatch(r"(?!__)[A-Za-z_][A-Za-z0-9_]*", name):
            self.refuse(where or "settings", name, "names of arguments")

    def arguments(self, given: Any, kind: Any, where: str) -> None:
        """What a class is built with."""
        if given is None:
            return
        if not isinstance(given, Mapping):
            self.refuse(where, given, "arguments by their names")
        takes = _takes(kind)
        for name, value in given.items():
            self.key(name, where)
            self.value(value, takes.get(name, Takes.DATA), f"{where}.{name}")

    def value(self, value: Any, takes: Takes, where: str) -> None:
        if isinstance(value, Mapping):
            self.mapping(value, takes, where)
        elif isinstance(value, list):
            for number, one in enumerate(value):
                self.value(one, takes, f"{where}[{number}]")
        elif isinstance(value, str):
            self.text(value, takes, where)
        elif value is not None and not isinstance(value, bool | int | float | date):
            self.refuse(where, value, takes.value)

    def mapping(self, value: Mapping, takes: Takes, where: str) -> None:
        if "class_path" in value:
            self.spec(value, takes, where)
            return
        inner = takes if takes is Takes.DATA else Takes.ANY  # arguments of a class that is named elsewhere
        for name, one in value.items():
            if str(name).startswith("__"):
                self.key(name, where)
            self.value(one, inner, f"{where}.{name}")

    def spec(self, value: Mapping, takes: Takes, where: str) -> None:
        """A class, and what it is built with."""
        if takes is Takes.DATA:
            self.refuse(where, f"class_path: {value['class_path']}", f"{takes.value}, and not a class")
        if odd := set(value) - SPEC:
            self.refuse(where, sorted(map(str, odd)), f"beside class_path only {sorted(SPEC)}")
        kind = self.named(value["class_path"], f"{where}.class_path")
        self.arguments(value.get("init_args"), kind, f"{where}.init_args")
        self.value(value.get("dict_kwargs"), Takes.DATA, f"{where}.dict_kwargs")

    def text(self, value: str, takes: Takes, where: str) -> None:
        """Text is a name where a class is expected; elsewhere it must not hold settings of its own."""
        if takes is Takes.CLASSES or (takes is Takes.NAMES and "." in value):
            self.named(value, where)
            return
        try:
            inside = held(value)
        except Unfit as error:
            self.refuse(where, value, f"settings, {error}")
        if isinstance(inside, dict | list):
            self.value(inside, Takes.DATA, where)

    def named(self, name: Any, where: str) -> Any:
        found = self.allowed.find(name)
        if found is None:
            self.refuse(where, name, EXPECTED)
        return found


@cache
def _takes(kind: Any) -> dict[str, Takes]:
    """What each argument of a class may be given, those that it hands on to others among them."""
    found = get_signature_parameters(kind) if callable(kind) else []
    return {one.name: _taken(set(_leaves(one.annotation))) for one in found}


def _taken(leaves: set[Any]) -> Takes:
    if not any(one is Callable or (isclass(one) and one not in (*DATA, *FILES)) for one in leaves):
        return Takes.DATA
    if leaves & set(FILES):
        return Takes.FILES
    return Takes.NAMES if str in leaves else Takes.CLASSES


def _leaves(hint: Any) -> Iterator[Any]:
    """The types that an annotation is made of."""
    origin = get_origin(hint)
    if origin is Literal:
        yield str
    elif origin is Annotated:
        yield from _leaves(get_args(hint)[0])
    elif origin in (Callable, type) or hint in (Callable, type):
        yield Callable
    elif origin is not None:
        for one in get_args(hint):
            yield from _leaves(one)
    elif hint is not Ellipsis:
        yield hint
