"""Parameters of constructors with their types, also of those that ``**kwargs`` are passed on to."""

from __future__ import annotations

import ast
import collections.abc
import inspect
import textwrap
import typing
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from inspect import Parameter
from typing import Any

__all__ = ["parameters"]

VARIADIC = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


@cache
def parameters(kind: Callable) -> dict[str, Any]:
    """Type of each argument of a class or function, by name; ``Parameter.empty`` where it is not annotated.

    ``**kwargs`` are followed to the constructors and methods that the source code passes them to.

    Not guaranteed: that arguments are found which are passed on in another way.
    """
    return dict(_found(kind, kind if inspect.isclass(kind) else None, set()))


def _found(function: Any, owner: type | None, seen: set[Any]) -> Iterator[tuple[str, Any]]:
    """Names and types; those of inner calls first, as outer ones win."""
    if inspect.isclass(function):
        function, owner = function.__init__, function
    function = inspect.unwrap(function)
    if (function, owner) in seen or not inspect.isfunction(function):
        return
    seen.add((function, owner))
    given = list(inspect.signature(function).parameters.values())
    for inner, kind in _callees(function, owner, given):
        yield from _found(inner, kind, seen)
    hints = _hints(function)
    for one in given[owner is not None :]:  # without self
        if one.kind not in VARIADIC:
            yield one.name, hints.get(one.name, Parameter.empty)


def _hints(function: Callable) -> dict[str, Any]:
    """Annotations as types; those that cannot be evaluated at run time are left out."""
    names = {**vars(collections.abc), **function.__globals__}  # often imported for type checkers only
    found = {}
    for name, annotation in inspect.get_annotations(function).items():
        holder = type("Holder", (), {"__annotations__": {name: annotation}})
        with suppress(Exception):  # whatever an annotation can be
            found |= typing.get_type_hints(holder, names)
    return found


def _callees(
    function: Callable, owner: type | None, given: list[Parameter]
) -> Iterator[tuple[Any, type | None]]:
    """Functions, and the class of methods, that a function calls with its ``**kwargs``."""
    names = {one.name for one in given if one.kind is Parameter.VAR_KEYWORD}
    for call in ast.walk(_tree(function)) if names else ():
        if isinstance(call, ast.Call) and any(
            word.arg is None and isinstance(word.value, ast.Name) and word.value.id in names
            for word in call.keywords
        ):
            callee, kind = _callee(call.func, function, owner)
            if callable(callee):
                yield callee, kind


def _tree(function: Callable) -> ast.AST:
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):  # without source code
        return ast.Module([], [])


def _callee(node: ast.AST, function: Callable, owner: type | None) -> tuple[Any, type | None]:
    """``super().method``, ``self.method`` or a name of the module, and the class that it is bound to."""
    if isinstance(node, ast.Name):
        return function.__globals__.get(node.id), None
    if not isinstance(node, ast.Attribute):
        return None, None
    if owner and isinstance(node.value, ast.Call) and ast.unparse(node.value.func) == "super":
        return _inherited(node.attr, function, owner), owner
    if owner and isinstance(node.value, ast.Name) and node.value.id == "self":
        return getattr(owner, node.attr, None), owner
    return getattr(_callee(node.value, function, owner)[0], node.attr, None), None


def _inherited(name: str, function: Callable, owner: type) -> Any:
    """The method that ``super()`` finds in a method of a class, for an instance of ``owner``."""
    classes = [kind for kind in owner.__mro__ if name in vars(kind)]
    methods = [inspect.unwrap(vars(kind)[name]) for kind in classes]
    later = methods[methods.index(function) + 1 :] if function in methods else []
    return later[0] if later else None
