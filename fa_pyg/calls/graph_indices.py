"""Node indices besides the edges that a permutation frame reads: checks, node marks and edges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from fa_pyg.calls.call import Name
from fa_pyg.calls.layout import Layout
from fa_pyg.calls.names import check_feature, is_feature_name
from fa_pyg.math.ragged import index_within_body
from fa_pyg.typed import is_list_or_tuple

__all__ = ["check_node_indices", "index_edges", "index_marks"]


def check_node_indices(name: Name, value: Any, layout: Layout) -> None:
    """Raise ValueError for values that may be node indices, unless a declaration or their name tells."""
    declared = layout.declared_level(name)
    if declared in ("index", "node_index"):
        _check_declared(name, value, layout)
    elif declared is not None or value is None:
        return
    elif isinstance(value, Tensor):
        is_index = layout.holds_indices(name, value)
        (_check_index if is_index else _check_other)(name, value, layout)
    elif name == "batch_size" and isinstance(value, int) and value != layout.num_graphs:
        raise ValueError(
            f"batch_size: expected the number of graphs, {layout.num_graphs}, found {value}: the first "
            "nodes of a sampled batch are not the first where nodes are permuted "
            '(levels={"batch_size": "shared"} if the model does not count on them)'
        )
    elif is_list_or_tuple(value) and not is_feature_name(name) and _are_indices(value, layout.num_nodes):
        raise ValueError(
            f"{name!r}: expected a tensor, or a declaration of these integers, which may be node indices, "
            f'found a {type(value).__name__}: levels={{{name!r}: "shared"}} if they are not'
        )


def _are_indices(values: Sequence[Any], num_nodes: int) -> bool:
    return bool(values) and all(
        isinstance(value, int) and not isinstance(value, bool) and -1 <= value < num_nodes for value in values
    )


def _check_declared(name: Name, value: Any, layout: Layout) -> None:
    wrong = not isinstance(value, Tensor) or value.dtype not in (torch.int32, torch.int64)
    if value is not None and wrong:
        found = value.dtype if isinstance(value, Tensor) else f"a {type(value).__name__}"
        raise ValueError(f"{name!r}: expected node indices in a tensor of int64, found {found}")
    if (
        value is not None
        and layout.declared_level(name) == "node_index"
        and value.shape[:1] != (layout.num_nodes,)
    ):
        expected = f"[{layout.num_nodes}, ...]"
        raise ValueError(f"{name!r}: expected a row for each node, {expected}, found {list(value.shape)}")


def _check_other(name: Name, value: Tensor, layout: Layout) -> None:
    # `idx` with one entry for each graph is the index of the sample in PyG's data sets.
    of_samples = name == "idx" and layout.is_collated and len(value) == layout.num_graphs
    if value.layout == torch.strided and not layout.has_custom_increment(name) and not of_samples:
        check_feature(name, value, layout.num_nodes)


def _check_index(name: Name, value: Tensor, layout: Layout) -> None:
    """Raise ValueError where a name with "index" leaves the set of nodes, or the level of rows, open."""
    if not layout.counts_nodes(name):
        raise ValueError(
            f"{name!r}: expected node indices, to which collation adds the number of nodes, found another "
            f'__inc__: levels={{{name!r}: "index"}} for indices within each graph, or the level of its rows'
        )
    is_standard = name in (layout.edge_name, "face")
    if is_standard or not value.dim() or (value.dim() == 2 and len(value) == 2):
        return
    rows = len(value)
    if layout.num_nodes > layout.num_graphs and rows == layout.num_nodes:
        raise ValueError(
            f"{name!r}: expected a declaration of these {rows} rows of node indices, found {layout.num_nodes}"
            f' nodes: levels={{{name!r}: "node_index"}} for a row for each node, "index" for other rows'
        )


def index_marks(layout: Layout) -> Tensor | None:
    """Return marks of the nodes that indices refer to, each by the first entry that does, ``[N]``.

    An automorphism of the graph that moves a marked node changes the input of the model.
    """
    marks, first, found = torch.full_like(layout.graph_of_node, torch.iinfo(torch.long).max), 0, False
    for _, indices, body in layout.node_indices():
        local = index_within_body(body, torch.bincount(body, minlength=layout.num_graphs))
        step = int(local.max()) + 1 if len(local) else 1
        codes = first + torch.arange(len(indices), device=local.device).unsqueeze(1) * step + local
        valid = indices >= 0
        marks.scatter_reduce_(0, indices[valid], codes[valid], "amin")
        first, found = first + len(indices) * step, True
    return torch.where(marks == torch.iinfo(torch.long).max, -1, marks) if found else None


def index_edges(layout: Layout) -> list[tuple[Tensor, tuple[Tensor, ...]]]:
    """Return edges from each node to the nodes in its row of indices, with the column of each."""
    parts: list[tuple[Tensor, tuple[Tensor, ...]]] = []
    for name, value in layout.call.values.items():
        if layout.declared_level(name) == "node_index" and value is not None:
            rows = layout.within_batch(name, value).reshape(layout.num_nodes, -1)
            node, column = (rows >= 0).nonzero().unbind(1)
            parts.append((torch.stack([node, rows[node, column]]), (column,)))
    return parts
