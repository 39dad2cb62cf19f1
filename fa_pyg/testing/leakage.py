"""Leakage between the graphs of a batch: whether the output of a graph depends on the others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor

from fa_pyg.calls import KEPT, Layout, Name
from fa_pyg.reps import Rep
from fa_pyg.testing.motions import Motion
from fa_pyg.testing.output_errors import bodies, error, smallest

__all__ = ["halves", "has_graphs", "leaks", "others_changed"]

SHRINK = 0.9  # keeps what is positive, finite or sorted


def has_graphs(layout: Layout) -> bool:
    """Whether there are several graphs, with a known graph for each node."""
    return layout.batch is not None and layout.num_graphs > 1


def halves(layout: Layout, generator: torch.Generator) -> Iterator[Tensor]:
    """Yield masks ``[B]`` of a random half of the graphs, and of the other half."""
    order = torch.randperm(layout.num_graphs, generator=generator)
    half = (order < (layout.num_graphs + 1) // 2).to(layout.graph_of_node.device)
    yield from (half, ~half)


def others_changed(
    layout: Layout, reps: Mapping[Name, Rep], keep: Tensor, g: Motion | None
) -> dict[Name, Tensor]:
    """Shrink and move floating-point arguments by g in all graphs except those to keep."""
    changed = {}
    for name, value in layout.call.values.items():
        body = _body(layout, name, value)
        if body is not None:
            moved = SHRINK * (g(value, reps[name]) if g is not None and name in reps else value)
            same = keep.index_select(0, body).view(-1, *(1,) * (value.dim() - 1))
            changed[name] = torch.where(same, value, moved)
    return changed


def _body(layout: Layout, name: Name, value: Tensor) -> Tensor | None:
    """Graph of each row of a floating-point argument, None if it is not clear."""
    is_dense = isinstance(value, Tensor) and value.layout is torch.strided and value.dim() > 0
    if not is_dense or not value.is_floating_point() or str(name).startswith(KEPT):
        return None
    if layout.levels.get(name) == "shared" or layout.axis(name, value) != 0:
        return None
    try:
        body = layout.rows(name, value).body
    except ValueError:  # not clear; where it is needed the layout has raised before
        return None
    return body if body is not None and len(body) == len(value) else None


def leaks(
    found: Iterator, reference: Iterable, usual: Iterable, layout: Layout, keep: Tensor
) -> Iterator[float]:
    """Yield by how much the graphs to keep have changed, in each output whose rows have a known graph."""
    for (a, rep, level), (b, *_), size in zip(found, reference, usual, strict=True):
        is_matrix = level is None and a.shape[:2] == (layout.num_nodes,) * 2  # pairs of all with all
        fits = [] if is_matrix or not a.numel() else bodies(a, rep, level, layout)
        if fits:
            yield smallest([_leak(a, b, size, body, keep) for body in fits])


def _leak(a: Tensor, b: Tensor, size: Tensor, body: Tensor, keep: Tensor) -> float:
    same = keep.index_select(0, body).view(-1, *(1,) * (a.dim() - 1))
    return error(torch.where(same, a, b), b, size, body)
