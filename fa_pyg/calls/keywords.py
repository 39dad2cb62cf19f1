"""Where the ``**kwargs`` of a ``forward`` go: to parts of the module, which may not take every keyword."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from functools import cache
from typing import Any

from torch import nn

__all__ = ["is_alias", "parts_with_keywords"]

Path = tuple[str, ...]


def parts_with_keywords(module: nn.Module) -> list[Callable] | None:
    """Return what a ``forward`` hands its ``**kwargs`` to, where it does nothing else with them; else None.

    PyG's ``GAE`` hands all to its encoder, which can then be called with the keywords of that alone.
    """
    found, open_, seen = [], [type(module).forward], set()
    while open_:
        function = open_.pop()
        seen.add(function)
        paths = _handed_to(function)
        if not paths or None in paths:
            return None
        for part in (_part(module, path) for path in paths):
            own = getattr(part, "__func__", None)
            if own is None or getattr(part, "__self__", None) is not module or not _takes_any(own):
                found.append(part)
            elif own not in seen:  # a method, which hands them on
                open_.append(own)
    return found if all(map(callable, found)) else None


@cache
def is_alias(function: Callable) -> bool:
    """Whether a method is ``return self.part(*args, **kwargs)`` and nothing else."""
    tree = _tree(function)
    if tree is None or len(tree.args.args) != 1 or tree.args.vararg is None:
        return False
    call = getattr(tree.body[-1], "value", None)
    rest = [line for line in tree.body[:-1] if not isinstance(getattr(line, "value", None), ast.Constant)]
    if rest or not isinstance(tree.body[-1], ast.Return) or not isinstance(call, ast.Call):
        return False
    whole = [
        one.value.id for one in call.args if isinstance(one, ast.Starred) and isinstance(one.value, ast.Name)
    ]
    return whole == [tree.args.vararg.arg] and len(call.args) == 1


@cache
def _tree(function: Callable) -> ast.FunctionDef | None:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    except (OSError, TypeError, SyntaxError):
        return None
    known = (
        isinstance(tree, ast.FunctionDef) and tree.args.kwarg and (tree.args.posonlyargs or tree.args.args)
    )
    return tree if known else None


@cache
def _handed_to(function: Callable) -> tuple[Path | None, ...]:
    """The attributes of ``self`` that are called with the ``**kwargs``; None for any other use of them."""
    tree = _tree(function)
    if tree is None:
        return (None,)
    keywords, first = tree.args.kwarg.arg, [*tree.args.posonlyargs, *tree.args.args][0].arg
    uses = sum(isinstance(node, ast.Name) and node.id == keywords for node in ast.walk(tree))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _hands(node, keywords)]
    return tuple(_called(call, first) for call in calls) if len(calls) == uses else (None,)


def _hands(call: ast.Call, keywords: str) -> bool:
    whole = [one.value for one in call.keywords if one.arg is None]
    return any(isinstance(value, ast.Name) and value.id == keywords for value in whole)


def _called(call: ast.Call, first: str) -> Path | None:
    """The path from ``self`` to what is called, by itself or as ``checkpoint(self.conv, ...)``."""
    path = _path(call.func, first)
    return path if path is not None or not call.args else _path(call.args[0], first)


def _path(called: ast.expr, first: str) -> Path | None:
    names: list[str] = []
    while isinstance(called, ast.Attribute):
        names.append(called.attr)
        called = called.value
    is_own = isinstance(called, ast.Name) and called.id == first and bool(names)
    return tuple(reversed(names)) if is_own else None


def _part(module: nn.Module, path: Path) -> Any:
    part: Any = module
    for name in path:
        part = getattr(part, name, None)
    return part


def _takes_any(function: Callable) -> bool:
    return any(p.kind is p.VAR_KEYWORD for p in inspect.signature(function).parameters.values())
