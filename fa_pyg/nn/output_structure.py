"""Structure of a model's output: a tensor, or tuples and dicts of tensors, with their levels."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from numbers import Number
from typing import Any

import torch
from torch import Tensor

from fa_pyg.calls import Name, is_index_name
from fa_pyg.reps import Rep

__all__ = ["check_dense", "check_level", "has_level", "leaves", "output_spec", "rebuild"]


def output_spec(spec: Any) -> Any:
    """Return ``output=`` (one, a tuple or a dict) with every name replaced by its :class:`~fa_pyg.Rep`."""
    if isinstance(spec, Mapping):
        return {name: output_spec(value) for name, value in spec.items()}
    if isinstance(spec, (tuple, list)):
        return tuple(output_spec(value) for value in spec)
    return Rep.of(spec, "output")


def check_level(spec: Any, level: Any, names: Collection[Name] | None = (), path: str = "output") -> None:
    """Raise ValueError unless ``level=`` is one level for all outputs, or has the structure of ``spec``.

    A level may be the name of an argument (``names``; None: any), or a name of node indices by PyG's rule.
    """
    if isinstance(level, Mapping) and isinstance(spec, dict):
        wrong = [name for name in level if name not in spec]
        if wrong:
            raise ValueError(f"level of {path}: expected some of {', '.join(spec)}, found {wrong[0]!r}")
        for name, part in level.items():
            check_level(spec[name], part, names, f"{path}[{name!r}]")
    elif isinstance(level, (tuple, list)) and isinstance(spec, tuple):
        if len(level) != len(spec):
            raise ValueError(f"level of {path}: expected {len(spec)} levels, found {level!r}")
        for i, part in enumerate(level):
            check_level(spec[i], part, names, f"{path}[{i}]")
    elif level not in (None, "node", "graph", "edge") and not _is_name(level, names):
        raise ValueError(f'level of {path}: expected "node", "graph" or "edge", found {level!r}')


def has_level(level: Any, condition: Callable[[Any], bool]) -> bool:
    """Whether a condition holds for the level of any output."""
    if isinstance(level, Mapping):
        return any(has_level(part, condition) for part in level.values())
    if isinstance(level, (tuple, list)):
        return any(has_level(part, condition) for part in level)
    return condition(level)


def leaves(
    spec: Any, value: Any, level: Any, path: str
) -> Iterator[tuple[Rep, Tensor | Number, str | None, str]]:
    """Yield the leaves of an output: representation, value, level and path, in the order of ``spec``."""
    if isinstance(spec, Rep):
        if not isinstance(value, Tensor) and not _is_number(value):
            keys = f" with {', '.join(map(str, value))}" if isinstance(value, Mapping) else ""
            raise ValueError(
                f"{path}: expected a tensor ({spec}), found a {type(value).__name__}{keys}; "
                "declare the representation of each part: output=(...) or output={...}"
            )
        if isinstance(value, Tensor):
            check_dense(path, value, f" ({spec})")
        yield spec, value, level, path
    elif isinstance(spec, dict):
        if not isinstance(value, Mapping) or set(value) != set(spec):
            found = ", ".join(map(str, value)) if isinstance(value, Mapping) else type(value).__name__
            raise ValueError(f"{path}: expected a dict with {', '.join(map(str, spec))}, found {found}")
        for name, part in spec.items():
            yield from leaves(
                part,
                value[name],
                level.get(name) if isinstance(level, Mapping) else level,
                f"{path}[{name!r}]",
            )
    else:
        if not isinstance(value, (tuple, list)) or len(value) != len(spec):
            found = (
                f"{len(value)} values" if isinstance(value, (tuple, list)) else f"a {type(value).__name__}"
            )
            raise ValueError(f"{path}: expected {len(spec)} values, found {found}")
        for i, part in enumerate(spec):
            yield from leaves(
                part, value[i], level[i] if isinstance(level, (tuple, list)) else level, f"{path}[{i}]"
            )


def check_dense(path: str, value: Tensor, of: str = "") -> None:
    """Raise ValueError for a tensor whose rows cannot be selected and added: sparse, nested, or in blocks."""
    if value.layout is not torch.strided or value.is_nested:
        kind = "nested tensor" if value.is_nested else f"tensor of {value.layout}"
        hint = "pad it" if value.is_nested else "return .to_dense()"
        raise ValueError(f"{path}: expected a dense tensor{of}, found a {kind}; {hint}")


def rebuild(spec: Any, like: Any, tensors: Iterator[Tensor]) -> Any:
    """Return tensors in the structure of an output."""
    if isinstance(spec, Rep):
        return next(tensors)
    if isinstance(spec, dict):
        return {name: rebuild(part, like[name], tensors) for name, part in spec.items()}
    values = [rebuild(part, like[i], tensors) for i, part in enumerate(spec)]
    return type(like)(*values) if hasattr(like, "_fields") else type(like)(values)


def _is_name(level: Any, names: Collection[Name] | None) -> bool:
    return (
        isinstance(level, str) and level != "" and (names is None or level in names or is_index_name(level))
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, Number) and not isinstance(value, bool)
