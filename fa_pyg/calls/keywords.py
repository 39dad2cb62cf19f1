"""Submodules that receive the ``**kwargs`` of a ``forward``, which may not take every keyword."""

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
Function = Callable[..., Any]


def parts_with_keywords(module: nn.Module) -> list[Function] | None:
    """Return the callables that a ``forward`` passes its ``**kwargs`` to; None for any other use of them.

    PyG's ``GAE`` passes all to its encoder: it can be called with the keywords of the encoder only.
    """
    parts: list[Function] = []
    pending, seen = [type(module).forward], set[Function]()
    while pending:
        function = pending.pop()
        seen.add(function)
        paths = _receivers(function)
        if not paths:
            return None
        for part in (_part(module, path) for path in paths):
            method = getattr(part, "__func__", None)
            if method is None or getattr(part, "__self__", None) is not module or not _takes_any(method):
                parts.append(part)
            elif method not in seen:  # a method of the module that passes them on
                pending.append(method)
    return parts if all(map(callable, parts)) else None


@cache
def is_alias(function: Function) -> bool:
    """Whether a method is ``return self.part(*args, **kwargs)`` and nothing else."""
    tree = _tree(function)
    if tree is None or len(tree.args.args) != 1 or tree.args.vararg is None:
        return False
    call = getattr(tree.body[-1], "value", None)
    rest = [line for line in tree.body[:-1] if not isinstance(getattr(line, "value", None), ast.Constant)]
    if rest or not isinstance(tree.body[-1], ast.Return) or not isinstance(call, ast.Call):
        return False
    starred = [arg.value for arg in call.args if isinstance(arg, ast.Starred)]
    return [value.id for value in starred if isinstance(value, ast.Name)] == [tree.args.vararg.arg] and len(
        call.args
    ) == 1


@cache
def _tree(function: Function) -> ast.FunctionDef | None:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    except (OSError, TypeError, SyntaxError):
        return None
    if not isinstance(tree, ast.FunctionDef) or not (tree.args.posonlyargs or tree.args.args):
        return None
    return tree if tree.args.kwarg else None


@cache
def _receivers(function: Function) -> tuple[Path, ...]:
    """Attributes of ``self`` that are called with the ``**kwargs``; none if used otherwise too."""
    tree = _tree(function)
    if tree is None or tree.args.kwarg is None:
        return ()
    keywords, first = tree.args.kwarg.arg, [*tree.args.posonlyargs, *tree.args.args][0].arg
    uses = sum(isinstance(node, ast.Name) and node.id == keywords for node in ast.walk(tree))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _passes(node, keywords)]
    paths = [_called(call, first) for call in calls]
    known = tuple(path for path in paths if path is not None)
    return known if len(known) == uses == len(paths) else ()


def _passes(call: ast.Call, keywords: str) -> bool:
    unpacked = [keyword.value for keyword in call.keywords if keyword.arg is None]
    return any(isinstance(value, ast.Name) and value.id == keywords for value in unpacked)


def _called(call: ast.Call, first: str) -> Path | None:
    """Path from ``self`` to the callable, called directly or as ``checkpoint(self.conv, ...)``."""
    path = _path(call.func, first)
    return path if path is not None or not call.args else _path(call.args[0], first)


def _path(called: ast.expr, first: str) -> Path | None:
    names: list[str] = []
    while isinstance(called, ast.Attribute):
        names.append(called.attr)
        called = called.value
    is_attribute = isinstance(called, ast.Name) and called.id == first and bool(names)
    return tuple(reversed(names)) if is_attribute else None


def _part(module: nn.Module, path: Path) -> Any:
    part: Any = module
    for name in path:
        part = getattr(part, name, None)
    return part


def _takes_any(function: Function) -> bool:
    return any(p.kind is p.VAR_KEYWORD for p in inspect.signature(function).parameters.values())
