"""Validation of the arguments of the labelling, which are moved to the CPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fa_pyg.canonical.integers import flatnonzero

__all__ = ["check"]


def check(
    edge_index: Any, sizes: Any, node_color: Any, edge_color: Any
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the four tensors on the CPU, with equal colors in place of None.

    Raises:
        ValueError: if one is not of int64 and of the right shape, a size is negative, or an edge ends outside
            the batch or in another graph than it begins.
    """
    _vector("sizes", sizes, None, "graphs")
    edges = isinstance(edge_index, Tensor) and edge_index.dim() == 2 and edge_index.size(0) == 2
    if not (edges and edge_index.dtype == torch.long):
        raise ValueError(f"edge_index: expected int64 [2, E], found {_found(edge_index)}")
    edge_index, sizes = edge_index.detach().cpu(), sizes.detach().cpu()
    if bool((sizes < 0).any()):
        graph = int(flatnonzero(sizes < 0)[0])
        raise ValueError(f"sizes: expected numbers of nodes, found {int(sizes[graph])} for graph {graph}")
    _ends(edge_index, sizes)
    counts = int(sizes.sum()), edge_index.size(1)
    colors = []
    given = {"node": node_color, "edge": edge_color}
    for (what, color), count in zip(given.items(), counts, strict=True):
        if color is not None:
            _vector(f"{what}_color", color, count, f"{what}s")
        colors.append(torch.zeros(count, dtype=torch.long) if color is None else color.detach().cpu())
    return edge_index, sizes, *colors


def _vector(name: str, value: Any, count: int | None, what: str) -> None:
    fits = isinstance(value, Tensor) and value.dim() == 1 and count in (None, len(value))
    if not (fits and value.dtype == torch.long):
        wanted = f"one int64 for each of the {what if count is None else f'{count} {what}'}"
        raise ValueError(f"{name}: expected {wanted}, found {_found(value)}")


def _ends(edge_index: Tensor, sizes: Tensor) -> None:
    if not edge_index.numel():
        return
    graph = torch.repeat_interleave(sizes)
    low, high = map(int, edge_index.aminmax())
    if low < 0 or high >= len(graph):
        raise ValueError(f"edge_index: expected nodes from 0 to {len(graph) - 1}, found {low} to {high}")
    across = flatnonzero(graph[edge_index[0]] != graph[edge_index[1]])
    if len(across):
        edge = int(across[0])
        row, col = edge_index[:, edge].tolist()
        raise ValueError(
            f"edge_index: expected edges within a graph, found edge {edge} from node {row} of graph"
            f" {int(graph[row])} to node {col} of graph {int(graph[col])}"
        )


def _found(value: Any) -> str:
    return f"{value.dtype} {list(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
