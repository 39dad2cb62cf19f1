"""The graphs of one call: its edges, and all that tells its nodes and edges apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch_geometric.utils import is_sparse

from fa_pyg.builders.graphs import Graphs, check_edges
from fa_pyg.copies import NODE_NAMES, Call, Layout, Name

__all__ = ["graph_layout", "read_graphs"]

# What a model is to predict, and where it is told, must not decide the order of its input.
_UNREAD = ("y", "train_mask", "val_mask", "test_mask")


def graph_layout(call: Call, levels: Mapping[Name, str]) -> Layout:
    """Returns the layout of a call whose nodes are permuted.

    Raises:
        ValueError: if nothing in the call tells the number of nodes.
    """
    said = [name for name, level in levels.items() if level in ("node", "place") and name in call.values]
    names = [*said, *(name for name in NODE_NAMES if isinstance(call.get(name), Tensor))]
    matrices = [name for name, value in call.values.items() if _is_adjacency(name, value)]
    nodes = next(iter([*names, *matrices]), None)
    known = call.get("batch") is not None or call.data is not None
    if nodes is None and not known:
        raise ValueError(
            'the call does not tell its number of nodes: expected `batch`, `x`, or levels={name: "node"} '
            f"for one of {', '.join(map(str, call.values)) or 'its tensors'}"
        )
    return Layout(call, levels, nodes, whole=True)


def read_graphs(call: Call, layout: Layout, reads: Sequence[Name] = ()) -> Graphs:
    """Returns what a permutation frame is computed from.

    Args:
        call: of the model.
        layout: of the call.
        reads: the names of the tensors that tell nodes and edges apart; default all of these levels but
            labels (``y``) and masks.

    Raises:
        ValueError: for a name in ``reads`` that is no tensor of nodes or edges.
    """
    nodes, edges = [], []
    if layout.edge_index is not None:
        check_edges(layout.edge_index, layout.batch)
    for name, value in call.values.items():
        if (reads and name not in reads) or (not reads and _is_unread(name, layout)):
            continue
        level = _level(name, value, layout)
        if level is not None:
            (nodes if level == "node" else edges).append(value)
        elif reads:
            raise ValueError(f"reads: expected tensors of nodes or edges, found {name!r}")
    edge_index, weights = _edges(call, layout)
    return Graphs(edge_index, layout.batch, layout.num_graphs, tuple(nodes), (*edges, *weights))


def _is_unread(name: Name, layout: Layout) -> bool:
    text = str(name)
    numbers = "index" in text or text in ("batch", "ptr", "face") or text.endswith(("_batch", "_ptr"))
    said = layout.levels.get(name)
    unread = text in _UNREAD or text.startswith(("frame_", "pose_"))
    return said not in ("node", "edge") and (said is not None or numbers or unread)


def _level(name: Name, value: Any, layout: Layout) -> str | None:
    if not isinstance(value, Tensor) or is_sparse(value) or value.dim() == 0 or _is_adjacency(name, value):
        return None
    body = layout.body(name, value)
    if body is layout.batch:
        return "node"
    return "edge" if layout.edge_index is not None and body is layout.edges else None


def _is_adjacency(name: Name, value: Any) -> bool:
    if not isinstance(value, Tensor) or value.dim() < 2 or value.size(0) != value.size(1):
        return False
    return is_sparse(value) or "adj" in str(name)


def _edges(call: Call, layout: Layout) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The edges, and the features that only a matrix has of them."""
    if layout.edge_index is not None:
        return layout.edge_index, ()
    for name, value in call.values.items():
        if _is_adjacency(name, value) and len(value) == layout.num_nodes:
            if is_sparse(value):
                entries = value.to_sparse_coo().coalesce()
                return entries.indices()[:2], (entries.values(),)
            kept = value.detach().reshape(*value.shape[:2], -1).ne(0).any(-1).nonzero().t()
            return kept, (value[kept[0], kept[1]],)
    return torch.zeros(2, 0, dtype=torch.long, device=layout.batch.device), ()
