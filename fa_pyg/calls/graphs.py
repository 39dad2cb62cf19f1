"""Graphs of a call: edges, and the features that distinguish nodes and edges."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch_geometric.utils import is_sparse  # pyright: ignore[reportMissingTypeStubs]

from fa_pyg.builders.base import Frame, as_permutations
from fa_pyg.builders.graphs import Graphs, check_edges, colors_of
from fa_pyg.calls.call import Call, Name, Named
from fa_pyg.calls.graph_indices import check_node_indices, index_edges, index_marks
from fa_pyg.calls.layout import Layout
from fa_pyg.calls.names import NODE_NAMES
from fa_pyg.frames import Level, PermutationFrames

__all__ = ["UNREAD", "graph_layout", "read_frames", "read_graphs"]

# Targets and masks must not affect the order of the input, nor must frames that transforms have stored.
UNREAD = re.compile(r"y|y_.*|.*_y|(.*_)?(label|target)s?|.*_mask|(frame|pose)_.*")


def graph_layout(call: Call, levels: Named[str], pairs_in_edge_order: bool = False) -> Layout:
    """Return the layout of a call whose nodes are permuted.

    Args:
        call: the call of the model.
        levels: the declared levels of its tensors.
        pairs_in_edge_order: see :meth:`~fa_pyg.copies.Layout.columns`.

    Raises:
        ValueError: if the number of nodes, or the meaning of some integers, cannot be inferred.
    """
    for name, value in call.values.items():
        _check_shape(name, value)
    declared = [name for name, level in levels.items() if level in ("node", "place") and name in call.values]
    names = [*declared, *(name for name in NODE_NAMES if isinstance(call.get(name), Tensor))]
    matrices = [name for name, value in call.values.items() if _is_adjacency(name, value)]
    nodes = [*names, *matrices, None][0]
    has_nodes = call.get("batch") is not None or call.data is not None
    if nodes is None and not has_nodes:
        raise ValueError(
            'number of nodes: expected `batch`, `x`, or levels={name: "node"} for an argument, found '
            f"{', '.join(map(str, call.values)) or 'none'}"
        )
    layout = Layout(call, levels, nodes, True, pairs_in_edge_order)
    for name, value in call.values.items():
        _check_meaning(name, value, layout, bool(matrices))
        check_node_indices(name, value, layout)
    return layout


def _check_shape(name: Name, value: Any) -> None:
    if not isinstance(value, Tensor) or is_sparse(value):
        return
    if name == "edge_index" and (value.dim() != 2 or len(value) != 2 or value.dtype != torch.long):
        raise ValueError(f"edge_index: expected int64 [2, E], found {value.dtype} {list(value.shape)}")
    if "adj" in str(name) and value.dim() > 2 and value.size(1) == value.size(2) != value.size(0):
        raise ValueError(
            f"{name!r}: expected the matrix [N, N] of one graph, found {list(value.shape)}: batches of dense "
            "matrices cannot be permuted, give edge_index and batch"
        )


def _check_meaning(name: Name, value: Any, layout: Layout, has_matrix: bool) -> None:
    """Raise ValueError for undeclared tensors that may be edges: the frame would not read them."""
    if not isinstance(value, Tensor) or value.dim() != 2 or layout.declared_level(name) or is_sparse(value):
        return
    if layout.edge_index is None and not has_matrix and len(value) == 2 and not value.is_floating_point():
        raise ValueError(
            f"{name!r}: expected the name edge_index, or levels={{{name!r}: 'index'}}, found neither"
        )
    square = value.size(0) == value.size(1) == layout.num_nodes > 1
    named = (*NODE_NAMES, "cell")
    if square and name not in named and "adj" not in str(name) and layout.call.get("batch") is None:
        raise ValueError(
            f"{name!r}: expected a name with 'adj' for a matrix of pairs, or levels={{{name!r}: 'node'}} for "
            f"rows of nodes, found {list(value.shape)}"
        )


def read_graphs(call: Call, layout: Layout, reads: Sequence[Name] | None = None) -> Graphs:
    """Return the graphs that a permutation frame is computed from.

    Args:
        call: the call of the model.
        layout: the layout of the call.
        reads: the names of the tensors that distinguish nodes and edges; default all of these levels, except
            attributes of a ``Data`` that are masks or named as targets (``y``, ``label``, ``*_target``, ...).

    Raises:
        ValueError: for a name in ``reads`` that is not a tensor of nodes or edges.
    """
    nodes: list[Tensor] = []
    edges: list[Tensor] = []
    if layout.edge_index is not None:
        check_edges(layout.edge_index, layout.graph_of_node)
    for name in reads or ():
        if name not in call.values:
            raise ValueError(f"reads: expected some of {', '.join(map(str, call.values))}, found {name!r}")
    for name, value in call.values.items():
        if (_is_unread(name, value, layout)) if reads is None else name not in reads:
            continue
        level = _level(name, value, layout)
        if level is not None:
            (nodes if level == "node" else edges).append(value.movedim(layout.axis(name, value), 0))
        elif reads is not None:
            raise ValueError(f"reads: expected tensors of nodes or edges, found {name!r}")
    edge_index, features = _edges(call, layout, tuple(edges))
    batch, marks = layout.graph_of_node, index_marks(layout)
    return Graphs(edge_index, batch, layout.num_graphs, tuple(nodes), features, marks)


def read_frames(
    frame: Frame, call: Call, layout: Layout, reads: Sequence[Name] | None = None
) -> PermutationFrames:
    """Return the frames of a call's graphs, with the batch and edges of the layout."""
    graphs = read_graphs(call, layout, reads)
    frames, edges = as_permutations(frame.evaluate(graphs)), layout.edge_index
    if graphs.edge_index is edges:
        return frames.on(graphs.batch, edges, edge_color=graphs.edge_color)
    # Edges of matrices and of node indices come last, and serve the computation of the frame only.
    count = 0 if edges is None else edges.size(1)
    both = {name: getattr(frames, name) for name in ("edge_color", "edge_orbit")}
    kept = {name: None if value is None else value[:count] for name, value in both.items()}
    return frames.on(graphs.batch, edges, **kept)


def _is_unread(name: Name, value: Any, layout: Layout) -> bool:
    text, declared = str(name), layout.levels.get(name)
    if declared is not None:
        return declared not in ("node", "edge")
    counts = text in ("batch", "ptr") or text.endswith(("_batch", "_ptr"))
    # A plain argument of the model is an input, whatever its name.
    return (
        counts
        or layout.holds_indices(name, value)
        or (name not in layout.call.arguments and UNREAD.fullmatch(text) is not None)
    )


def _level(name: Name, value: Any, layout: Layout) -> str | None:
    if not isinstance(value, Tensor) or is_sparse(value) or value.dim() == 0 or _is_adjacency(name, value):
        return None
    level = layout.rows(name, value).level
    return level.value if level in (Level.NODE, Level.EDGE) else None


def _is_adjacency(name: Name, value: Any) -> bool:
    if not isinstance(value, Tensor) or value.dim() < 2 or value.size(0) != value.size(1):
        return False
    return is_sparse(value) or "adj" in str(name)


def _edges(call: Call, layout: Layout, features: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
    """All edges, those of ``edge_index`` first, with their features; for a matrix, its entries."""
    none = torch.zeros(2, 0, dtype=torch.long, device=layout.graph_of_node.device)
    parts = [(none if layout.edge_index is None else layout.edge_index, features)]
    parts += [_entries(x) for name, x in call.values.items() if _is_adjacency(name, x)]
    parts += index_edges(layout)
    parts = [part for part in parts if part[0].size(1)] or parts[:1]
    if len(parts) == 1:
        return parts[0]
    first, colors = 0, list[Tensor]()
    for edges, values in parts:  # edges of different origin have different colors
        found = colors_of(values)
        color = edges.new_zeros(edges.size(1)) if found is None else found
        colors.append(color + first)
        first += int(color.max()) + 1
    return torch.cat([edges for edges, _ in parts], 1), (torch.cat(colors),)


def _entries(matrix: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The edges of a matrix, with their values."""
    if is_sparse(matrix):
        entries = matrix.to_sparse_coo().coalesce()
        return entries.indices()[:2], (entries.values(),)
    kept = matrix.detach().reshape(*matrix.shape[:2], -1).ne(0).any(-1).nonzero().t()
    return kept, (matrix[kept[0], kept[1]],)
