"""Errors of model outputs: of each tensor of a nested output, that of its worst graph."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from fa_pyg.batches import graph_count
from fa_pyg.calls import Layout
from fa_pyg.nn.output_structure import check_dense
from fa_pyg.reps import Rep

__all__ = ["bodies", "error", "largest", "leaves", "output_errors", "smallest"]

SMALL = 1e-3  # for smaller outputs the absolute error counts, as relative errors diverge


def leaves(spec: Any, level: Any, value: Any) -> Iterator[tuple[Tensor, Rep, Any]]:
    """Yield the tensors of an output, with the representation and level of each.

    Raises:
        ValueError: for an output of another structure than ``spec``.
    """
    if isinstance(spec, Rep):
        if not isinstance(value, Tensor):
            raise ValueError(
                f"output: expected a tensor ({spec}), found a {type(value).__name__}; pass output="
            )
        check_dense("output", value)
        yield value.detach(), spec, level
        return
    if isinstance(value, Tensor) or len(value) != len(spec) or not spec:
        found = "a tensor" if isinstance(value, Tensor) else f"{len(value)} values"
        raise ValueError(f"output: expected {len(spec)} values, one or more, found {found}")
    parts = spec.items() if isinstance(spec, dict) else enumerate(spec)
    for key, part in parts:
        if isinstance(level, Mapping):
            inner = level.get(key)
        else:
            inner = level[key] if isinstance(level, (tuple, list)) else level
        yield from leaves(part, inner, value[key])


def bodies(value: Tensor, rep: Rep, level: Any, layout: Layout) -> list[Tensor]:
    """List the graph of each row of an output, for each level that fits; empty for a single graph."""
    if layout.batch is None or value.dim() <= (1 if rep.flat else rep.rank):
        return []
    if level not in (None, "node", "graph", "edge"):
        return [layout.of(level).bodies(value.device)]
    levels = {"node": layout.batch, "graph": layout.graphs.body}
    if layout.edge_index is not None:
        levels["edge"] = layout.edges.body
    fits = (levels.get(name) for name in ([level] if level else levels))
    return [body for body in fits if body is not None and len(body) == len(value)]


def output_errors(
    found: Iterator, expected: Iterator, known: Sequence[tuple[Tensor, Tensor | None]]
) -> list[float]:
    """List the error of each output: of its worst graph, and for the best of several expectations."""
    return [
        smallest([error(a, b, usual, body) for b in candidates])
        for (a, *_), candidates, (usual, body) in zip(found, expected, known, strict=True)
        if a.numel()
    ]


def error(a: Tensor, b: Tensor, usual: Tensor, body: Tensor | None) -> float:
    """Largest error of a graph of ``a``, relative to its size in ``b`` or ``usual``."""
    difference, size, usual = (_largest_entry(x, body) for x in (a - b, b, usual))
    least = max(SMALL, 0 if b.dtype == torch.float64 else 0.01 * size.max().item())
    return (difference / torch.maximum(size, usual).clamp(min=least)).max().item()


def _largest_entry(x: Tensor, body: Tensor | None) -> Tensor:
    """Largest absolute entry of each graph."""
    if body is None:
        return x.abs().amax().double().unsqueeze(0)
    rows = x.reshape(len(x), -1).abs().amax(1).double()
    return rows.new_zeros(graph_count(body)).scatter_reduce(0, body, rows, "amax")


def largest(errors: list[float]) -> float:
    """Largest error, 0 if there are none."""
    return torch.tensor([0.0, *errors], dtype=torch.float64).max().item()  # NaN if any is


def smallest(errors: list[float]) -> float:
    """Smallest error, NaN only if all are."""
    return min(errors, key=lambda error: (math.isnan(error), error))
