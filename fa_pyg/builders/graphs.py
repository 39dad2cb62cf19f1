"""Graphs that permutation frames are computed from, with features of nodes and edges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fa_pyg.batches import check_batch, check_edges, graph_count
from fa_pyg.frames.local_index import LocalIndex
from fa_pyg.lazy import cached_property
from fa_pyg.typed import unique_with_inverse

__all__ = ["Graphs", "check_edges", "colors_of", "graphs_of"]

_UNSIGNED = (torch.uint16, torch.uint32)


@dataclass(frozen=True)
class Graphs:
    """Batch of graphs with features that distinguish nodes and edges.

    Args:
        edge_index: directed edges; undirected edges appear in both directions.
        batch: the graph of each node.
        size: the number of graphs B.
        node_features, edge_features: all features that the model sees; nodes and edges are equivalent only if
            these are equal.
        marks: a different integer for each node of a graph that indices refer to, -1 for other nodes.

    Shapes:
        edge_index ``[2, E]``, batch and marks ``[N]``, features ``[N, ...]`` and ``[E, ...]``.

    Raises:
        ValueError: for edges between graphs, or out-of-range node indices (checked on CPU only, to avoid a
            device sync).
    """

    edge_index: Tensor
    batch: Tensor
    size: int
    node_features: tuple[Tensor, ...] = ()
    edge_features: tuple[Tensor, ...] = ()
    marks: Tensor | None = None

    def __post_init__(self) -> None:
        check_edges(self.edge_index, self.batch)

    @property
    def device(self) -> torch.device:
        return self.batch.device

    @cached_property
    def numbers(self) -> LocalIndex:
        """Index of each node within its graph."""
        return LocalIndex(self.batch, self.size)

    @cached_property
    def edge_numbers(self) -> LocalIndex:
        return LocalIndex(self.batch.index_select(0, self.edge_index[0]), self.size)

    @cached_property
    def node_color(self) -> Tensor | None:
        """Color of each node by its features, equal for equal features and in their order, ``[N]``."""
        return colors_of(self.node_features)

    @cached_property
    def edge_color(self) -> Tensor | None:
        """Color of each edge by its features, ``[E]``."""
        return colors_of(self.edge_features)

    @cached_property
    def equal_edges(self) -> Tensor:
        """Index within its graph of the first edge with the same ends and color, ``[E]``."""
        color = (
            self.edge_index.new_zeros(self.edge_index.size(1)) if self.edge_color is None else self.edge_color
        )
        kind = unique_with_inverse(torch.stack([*self.edge_index, color]), 1)[1]
        first = torch.full_like(kind, len(kind)).scatter_reduce(
            0, kind, torch.arange(len(kind), device=kind.device), "amin"
        )
        return self.edge_numbers.local[first[kind]]


def graphs_of(
    edge_index: Tensor,
    x: Tensor | None = None,
    edge_attr: Tensor | None = None,
    batch: Tensor | None = None,
    num_nodes: int | None = None,
    num_graphs: int | None = None,
) -> Graphs:
    """Return the graphs of a batch, checked.

    Args:
        edge_index: directed edges.
        x, edge_attr: features of nodes and edges.
        batch: the graph of each node; default one graph.
        num_nodes: the number of nodes, without ``x`` and ``batch``; default the largest index plus one.
        num_graphs: B; default the largest ``batch`` plus one.

    Raises:
        ValueError: naming the argument that does not fit.
    """
    _check_edge_index(edge_index)
    check_batch(batch)
    if batch is None:
        if num_nodes is None:
            num_nodes = len(x) if x is not None else int(edge_index.max()) + 1 if edge_index.numel() else 0
        batch = edge_index.new_zeros(num_nodes)
        num_graphs = 1
    for name, value, n in (("x", x, len(batch)), ("edge_attr", edge_attr, edge_index.size(1))):
        _check_rows(name, value, n)
    of_nodes, of_edges = (() if value is None else (value,) for value in (x, edge_attr))
    return Graphs(edge_index, batch, graph_count(batch, num_graphs), of_nodes, of_edges)


def _check_edge_index(value: object) -> None:
    is_tensor = isinstance(value, Tensor)
    if not is_tensor or value.dtype != torch.long or value.dim() != 2 or len(value) != 2:
        found = f"{value.dtype} {list(value.shape)}" if is_tensor else repr(value)
        raise ValueError(f"edge_index: expected int64 [2, E], found {found}")


def _check_rows(name: str, value: object, n: int) -> None:
    if value is not None and (not isinstance(value, Tensor) or len(value) != n):
        found = list(value.shape) if isinstance(value, Tensor) else f"a {type(value).__name__}"
        raise ValueError(f"{name}: expected [{n}, ...], found {found}")


def colors_of(features: Sequence[Tensor]) -> Tensor | None:
    """Return colors: ranks of the concatenated rows of all features; all NaN count as equal."""
    if not features:
        return None
    colors = torch.zeros(len(features[0]), dtype=torch.long, device=features[0].device)
    for value in features:
        rows = _integers(value.detach()).reshape(len(value), -1) if value.numel() else value[:, None][:, :0]
        if rows.numel():
            color = unique_with_inverse(rows)[1]
            colors = unique_with_inverse(torch.stack([colors, color], 1))[1]
    return colors


def _integers(x: Tensor) -> Tensor:
    """Integers in the same order, and equal for equal values such as 0 and -0."""
    x = torch.view_as_real(x.resolve_conj()) if x.is_complex() else x
    if not x.is_floating_point():
        return _wide(x)
    x = x.to(torch.promote_types(x.dtype, torch.float32)) + 0.0  # no -0
    x = torch.where(x.isnan(), torch.nan, x)
    bits = x.contiguous().view(torch.int64 if x.dtype == torch.float64 else torch.int32)
    return torch.where(bits < 0, bits ^ torch.iinfo(bits.dtype).max, bits)


def _wide(x: Tensor) -> Tensor:
    """Integers in a dtype that can be sorted."""
    if x.dtype == torch.uint64:  # as int64, the largest would be negative
        return x.view(torch.int64) ^ torch.iinfo(torch.int64).min
    return x.byte() if x.dtype == torch.bool else x.long() if x.dtype in _UNSIGNED else x
