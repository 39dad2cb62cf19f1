"""Undeclared tensors of a call that may transform, and warnings about them."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor

from fa_pyg.calls.call import Name
from fa_pyg.calls.names import KEPT
from fa_pyg.reps import NAMED, Rep

__all__ = ["declaration", "looks_geometric", "undeclared", "warn_once"]


def looks_geometric(value: Any, dim: int, sizes: Collection[int] = ()) -> bool:
    """Whether a value has the type and shape of vectors or tensors in ``dim`` dimensions.

    Args:
        value: any value. Vectors are floating point ``[n, ..., d]``, or ``[d]`` unless d is one of ``sizes``.
        dim: d. For d = 1 vectors look like a column of scalars, and the result is False.
        sizes: the numbers of nodes, edges and graphs of the batch.
    """
    if not isinstance(value, Tensor) or not value.is_floating_point() or value.layout is not torch.strided:
        return False
    if dim < 2 or not value.dim() or value.size(-1) != dim:
        return False
    return value.dim() > 1 or dim not in sizes


def undeclared(
    values: Mapping[Name, Any], declared: Collection[Name], dim: int, sizes: Collection[int] = ()
) -> dict[Name, Tensor]:
    """Return the values that look geometric (:func:`looks_geometric`) and are not declared, by name.

    Leaves out frames and poses that transforms have stored.
    """
    free = {k: v for k, v in values.items() if k not in declared and not str(k).startswith(KEPT)}
    return {k: v for k, v in free.items() if looks_geometric(v, dim, sizes)}


def declaration(inputs: Mapping[Name, Rep], name: Name, value: Tensor) -> str:
    """Return the declaration to add for an undeclared input, as the end of a sentence."""
    reps = {rep: text for text, rep in NAMED.items()}
    shown = {k: f'"{reps[rep]}"' if rep in reps else str(rep) for k, rep in inputs.items()}
    declared = "".join(f"{_quoted(k)}: {rep}, " for k, rep in shown.items())
    rows = f", as [n, {value.size(-1)}] with a row for each graph" if value.dim() == 1 else ""
    return (
        f'inputs={{{declared}{_quoted(name)}: "vector"}} (or "point", "pseudovector", "tensor", ...) if it '
        f'transforms{rows}; {_quoted(name)}: "scalar" if it does not'
    )


def _quoted(name: Name) -> str:
    return f'"{name}"' if isinstance(name, str) else str(name)


def warn_once(owner: Any, topic: Name, text: str, stacklevel: int) -> None:
    """Warn, unless ``owner`` has warned about the topic before; ``stacklevel`` is the caller's."""
    topics: frozenset[Name] = getattr(owner, "_told", frozenset())
    if topic not in topics:
        owner._told = topics | {topic}
        warnings.warn(text, UserWarning, stacklevel=stacklevel + 1)
