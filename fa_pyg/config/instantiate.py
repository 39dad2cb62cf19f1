"""Objects from plain settings: what a class is built with, converted to the types of its arguments."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from functools import partial
from inspect import Parameter, isabstract, isclass
from os import PathLike
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from fa_pyg.config.allowlist import EXPECTED, Allowlist
from fa_pyg.config.parameters import parameters
from fa_pyg.config.plain import parse_text, short

__all__ = ["instantiate"]

UNTYPED = (Any, object, Parameter.empty)
SEQUENCES = (list, Sequence, Iterable)
EXPONENT = re.compile(r"[-+]?\d[\d_]*(\.\d*)?[eE][-+]?\d+")  # which YAML 1.1 reads as text


class _Mismatch(ValueError):
    """A setting of another type than its argument."""


def instantiate(kind: Callable, settings: Mapping[str, Any], allowed: Allowlist) -> Any:
    """Call a class or function with settings, converted to the types of its arguments.

    Settings are plain data, as in a YAML file. An object is described by ``class_path``, the full name of its
    class, and ``init_args``, the settings of that, or by its name alone; a callable also by the name of a
    function. Nothing that ``allowed`` does not list is imported or called.

    Args:
        kind: the class or function.
        settings: its arguments, checked by :func:`~fa_pyg.config.check.check`.
        allowed: the classes and functions that ``class_path`` may name.

    Raises:
        ValueError: naming the argument, for values of another type and names that are not on the list; what
            the constructors raise.
    """
    return _Builder(allowed).call(kind, settings)


@dataclass(frozen=True)
class _Builder:
    """Builder of objects whose names are on a list."""

    allowed: Allowlist

    def call(self, kind: Callable, settings: Mapping[str, Any] | None) -> Any:
        return kind(**self.arguments(kind, settings))

    def arguments(self, kind: Callable, settings: Mapping[str, Any] | None) -> dict[str, Any]:
        if not isinstance(settings or {}, Mapping):
            raise _Mismatch(f"{_name(kind)}: expected arguments by name, found {short(settings)}")
        hints = parameters(kind)
        words = (settings or {}).items()
        return {name: self.argument(name, value, hints.get(name, Parameter.empty)) for name, value in words}

    def argument(self, name: str, value: Any, hint: Any) -> Any:
        """Convert the value of an argument, which may be a list or a mapping as YAML in text."""
        inner = parse_text(value) if isinstance(value, str) and value.strip() else value
        try:
            if isinstance(value, str) and isinstance(inner, Mapping | list | None):
                with suppress(_Mismatch):
                    return self.value(inner, hint)
            return self.value(value, hint)
        except _Mismatch as error:
            raise _Mismatch(f"{name}: {error}") from error

    def value(self, value: Any, hint: Any) -> Any:
        """Convert a value to a type."""
        origin = get_origin(hint) or hint
        if origin is Annotated:
            return self.value(value, get_args(hint)[0])
        if hint in UNTYPED:
            return _scalar(value)
        if origin in (Union, UnionType):
            return self.first(value, sorted(get_args(hint), key=lambda one: one in UNTYPED))
        if origin is Literal:
            return _expect(value in get_args(hint), value, hint, value)
        if hint in (bool, int, float, str, NoneType):
            return _basic(value, hint)
        if origin in (dict, Mapping):
            return self.mapping(value, hint)
        if origin in (tuple, set, frozenset, *SEQUENCES):
            return self.sequence(value, hint, origin)
        if hint in (Path, PathLike):
            return _expect(isinstance(value, str), value, hint, Path(value) if hint is Path else value)
        if isclass(hint) and issubclass(hint, Enum):
            member = hint.__members__.get(value) if isinstance(value, str) else None
            return _expect(member is not None, value, hint, member)
        if origin is type:
            return self.kind(value, hint)
        return self.callable(value, hint) if origin is Callable else self.instance(value, hint)

    def first(self, value: Any, hints: Sequence[Any]) -> Any:
        """Convert a value to the first of several types that accepts it."""
        for hint in hints[:-1]:
            with suppress(_Mismatch):
                return self.value(value, hint)
        return self.value(value, hints[-1])

    def mapping(self, value: Any, hint: Any) -> dict[Any, Any]:
        _expect(isinstance(value, Mapping), value, hint)
        keys, values = get_args(hint) or (Any, Any)
        return {(int(key) if keys is int else key): self.value(one, values) for key, one in value.items()}

    def sequence(self, value: Any, hint: Any, origin: type) -> Any:
        _expect(isinstance(value, list | tuple | set), value, hint)
        inner = get_args(hint) or (Any,)
        if origin is tuple and get_args(hint) and inner[-1] is not Ellipsis:
            _expect(len(value) == len(inner), value, hint)
        else:
            inner = inner[:1] * len(value)
        found = [self.value(one, kind) for one, kind in zip(value, inner, strict=True)]
        return found if origin in SEQUENCES else origin(found)

    def kind(self, value: Any, hint: Any) -> type:
        found, (base,) = self.named(value), get_args(hint) or (object,)
        return _expect(isclass(found) and (base in UNTYPED or issubclass(found, base)), value, hint, found)

    def callable(self, value: Any, hint: Any) -> Any:
        """Find a function, or build an object that can be called: a factory, if calls return such objects."""
        spec = {"class_path": value} if isinstance(value, str) else value
        _expect(isinstance(spec, Mapping) and "class_path" in spec, value, hint)
        found = self.named(spec["class_path"])
        if not isclass(found):
            return _expect(callable(found) and spec is not value, value, hint, found)
        result = (get_args(hint) or (None, None))[-1]
        if isclass(result) and result not in UNTYPED and issubclass(found, result):
            return partial(found, **self.init_args(found, spec))
        return _expect("__call__" in dir(found), value, hint, found)(**self.init_args(found, spec))

    def instance(self, value: Any, hint: Any) -> Any:
        """Build an object of a class, which is that of the argument unless the settings name another."""
        base = get_origin(hint) or hint
        spec: Any = {"class_path": value} if isinstance(value, str) else value
        _expect(isclass(base) and isinstance(spec, Mapping), value, hint)
        if "class_path" not in spec:
            listed = any(one is base for one in self.allowed.known.values())
            return _expect(listed, value, EXPECTED, base)(**self.arguments(base, spec.get("init_args", spec)))
        found = self.named(spec["class_path"])
        if isinstance(found, base):  # an object of a module, such as torch.float32
            return found
        fits = isclass(found) and issubclass(found, base) and not isabstract(found)
        return _expect(fits, spec["class_path"], hint, found)(**self.init_args(found, spec))

    def init_args(self, kind: Callable, spec: Mapping[str, Any]) -> dict[str, Any]:
        return self.arguments(kind, {**(spec.get("init_args") or {}), **(spec.get("dict_kwargs") or {})})

    def named(self, name: Any) -> Any:
        found = self.allowed.find(name)
        return _expect(found is not None, name, EXPECTED, found)


def _expect(holds: bool, found: Any, expected: Any, result: Any = None) -> Any:
    """Return the result if a condition holds; raise an error about what was found otherwise."""
    if holds:
        return result
    name = expected if isinstance(expected, str) else _name(expected)
    raise _Mismatch(f"expected {name}, found {short(found)}")


def _basic(value: Any, kind: type) -> Any:
    """Convert a number, truth value or text; whole numbers are numbers, truth values are not."""
    value = value if kind is str else _scalar(value)
    value = float(value) if kind is float and type(value) is int else value
    is_odd = kind in (int, float) and isinstance(value, bool)
    return _expect(isinstance(value, kind) and not is_odd, value, kind, value)


def _scalar(value: Any) -> Any:
    """Parse text that is something else in YAML; ``"1e-3"`` is a number."""
    if not isinstance(value, str) or not value.strip():
        return value
    return float(value) if EXPONENT.fullmatch(value.strip()) else parse_text(value)


def _name(hint: Any) -> str:
    return hint.__name__ if isclass(hint) and not get_args(hint) else str(hint).replace("typing.", "")
