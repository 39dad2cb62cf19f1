"""Outputs of a model taken apart, and their errors: of each tensor that of its worst graph."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from fa_pyg.calls import Layout
from fa_pyg.reps import Rep

__all__ = ["bodies", "error", "largest", "leaves", "output_errors", "smallest"]

SMALL = 1e-3  # outputs below are judged by their absolute error: what vanishes has no relative one


def leaves(spec: Any, level: Any, value: Any) -> Iterator[tuple[Tensor, Rep, Any]]:
    """The tensors of an output, with the representation and level of each."""
    if isinstance(spec, Rep):
        if not isinstance(value, Tensor):
            raise ValueError(
                f"output: expected a tensor ({spec}), found a {type(value).__name__}: say output="
            )
        yield value.detach(), spec, level
        return
    if isinstance(value, Tensor) or len(value) != len(spec) or not spec:
        found = "a tensor" if isinstance(value, Tensor) else f"{len(value)} values"
        raise ValueError(f"output: expected {len(spec)} values, one or more, found {found}")
    parts = spec.items() if isinstance(spec, dict) else enumerate(spec)
    for key, one in parts:
        if isinstance(level, Mapping):
            inner = level.get(key)
        else:
            inner = level[key] if isinstance(level, (tuple, list)) else level
        yield from leaves(one, inner, value[key])


def bodies(value: Tensor, rep: Rep, level: Any, layout: Layout) -> list[Tensor]:
    """The graph of each row of an output for each level that fits; none of one graph, or of no rows."""
    if layout.batch is None or value.dim() <= (1 if rep.flat else rep.rank):
        return []
    if level not in (None, "node", "graph", "edge"):
        return [layout.of(level).body]
    levels = {"node": layout.batch, "graph": layout.graphs.body}
    if layout.edge_index is not None:
        levels["edge"] = layout.edges.body
    fits = (levels.get(one) for one in ([level] if level else levels))
    return [body for body in fits if body is not None and len(body) == len(value)]


def output_errors(
    found: Iterator, expected: Iterator, known: Sequence[tuple[Tensor, Tensor | None]]
) -> list[float]:
    """The error of each output: of its worst graph, and of the best of what can be expected of it."""
    return [
        smallest([error(a, b, *one) for b in candidates])
        for (a, *_), candidates, one in zip(found, expected, known, strict=True)
        if a.numel()
    ]


def error(a: Tensor, b: Tensor, usual: Tensor, body: Tensor | None) -> float:
    """The largest error of a graph of ``a``, relative to its size in ``b`` or ``usual``."""
    difference, size, usual = (_largest_entry(x, body) for x in (a - b, b, usual))
    least = max(SMALL, 0 if b.dtype == torch.float64 else 0.01 * size.max().item())
    return (difference / torch.maximum(size, usual).clamp(min=least)).max().item()


def _largest_entry(x: Tensor, body: Tensor | None) -> Tensor:
    """The largest of each graph."""
    if body is None:
        return x.abs().amax().double().unsqueeze(0)
    rows = x.reshape(len(x), -1).abs().amax(1).double()
    return rows.new_zeros(int(body.max()) + 1).scatter_reduce(0, body, rows, "amax")


def largest(errors: list[float]) -> float:
    """The largest error, 0 of none."""
    return torch.tensor([0.0, *errors], dtype=torch.float64).max().item()  # NaN, if one is


def smallest(errors: list[float]) -> float:
    """The smallest error, NaN only if all are."""
    return min(errors, key=lambda error: (math.isnan(error), error))
