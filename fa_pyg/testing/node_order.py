"""Arguments and outputs of a model with the nodes of each graph in another order."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import torch
from torch import Tensor

from fa_pyg.calls import NODE_NAMES, Layout, Name
from fa_pyg.reps import Rep
from fa_pyg.separation.relabelled import shuffled

__all__ = ["permutation", "permuted", "reordered"]


def permutation(layout: Layout, generator: torch.Generator) -> Tensor:
    """Draw a random order of the nodes within each graph."""
    none = torch.zeros(layout.num_nodes, dtype=torch.long)
    return shuffled(none if layout.batch is None else layout.batch.cpu(), generator)


def permuted(layout: Layout, order: Tensor) -> Iterator[dict[Name, Tensor]]:
    """Yield the arguments with their nodes in this order, in every possible interpretation of their rows."""
    ways = {name: list(_ways(layout, name, value, order)) for name, value in layout.call.values.items()}
    ways = {name: values for name, values in ways.items() if values}
    return (dict(zip(ways, values, strict=True)) for values in product(*ways.values()))


def reordered(value: Tensor, rep: Rep, level: Any, layout: Layout, order: Tensor) -> Iterator[Tensor]:
    """Yield the output expected of permuted nodes, in every possible interpretation of its rows."""
    has_rows = value.dim() > (1 if rep.flat else rep.rank) and len(value) == layout.num_nodes
    if not has_rows or level not in (None, "node"):  # the rows of others keep their order
        yield value
        return
    yield value[order]
    if level is None:
        if layout.num_graphs == 1 or _as_many_edges(layout):
            yield value  # channels of a single graph, or edges
        if _is_matrix(value, layout):
            yield value[order][:, order]


def _ways(layout: Layout, name: Name, value: Any, order: Tensor) -> Iterator[Tensor]:
    if not isinstance(value, Tensor) or value.dim() == 0 or str(name).endswith(("batch", "ptr")):
        return
    level = layout.levels.get(name)
    if level == "place":
        return
    if layout.holds_indices(name, value):
        rows = value[order] if level == "node_index" else value
        yield torch.where(rows < 0, rows, torch.argsort(order)[rows.clamp(min=0)])
    elif value.layout != torch.strided:
        if _is_matrix(value, layout):
            yield _sparse(value, order)
    elif len(value) == layout.num_nodes and layout.level(name, value) == "node":
        is_adjacency = level is None and "adj" in str(name) and _is_matrix(value, layout)
        if not is_adjacency:
            yield value[order]
        if level is None and _is_matrix(value, layout):
            yield value[order][:, order]
        if level is None and name not in NODE_NAMES and _as_many_edges(layout):
            yield value


def _is_matrix(value: Tensor, layout: Layout) -> bool:
    return value.shape[:2] == (layout.num_nodes, layout.num_nodes)


def _as_many_edges(layout: Layout) -> bool:
    return layout.edge_index is not None and layout.edge_index.size(1) == layout.num_nodes


def _sparse(matrix: Tensor, order: Tensor) -> Tensor:
    entries, rank = matrix.to_sparse_coo().coalesce(), torch.argsort(order)
    index = rank[entries.indices()]
    moved = torch.sparse_coo_tensor(index, entries.values(), matrix.shape, check_invariants=False)
    return moved.coalesce().to_sparse(layout=matrix.layout)
