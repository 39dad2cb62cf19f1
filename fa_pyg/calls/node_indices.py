"""Node numbers besides the edges: asked for where they may be something else, and read by a frame."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fa_pyg.calls.call import Name
from fa_pyg.calls.layout import Layout
from fa_pyg.calls.names import check_feature, is_feature_name
from fa_pyg.math.ragged import index_within_body

__all__ = ["check_numbers", "marks_of", "pointers_of"]


def check_numbers(name: Name, value: Any, layout: Layout) -> None:
    """Raise ValueError for what may be node numbers, and is not known as such or as something else."""
    said = layout.declared_level(name)
    if said in ("index", "node_index"):
        _check_said(name, value, layout)
    elif said is not None or value is None:
        return
    elif isinstance(value, Tensor):
        numbers = layout.is_numbers(name, value)
        (_check_named if numbers else _check_unnamed)(name, value, layout)
    elif name == "batch_size" and isinstance(value, int) and value != layout.num_graphs:
        raise ValueError(
            f"batch_size: expected the number of graphs, {layout.num_graphs}, found {value}: the first "
            "nodes of a sampled batch are not the first where nodes are permuted "
            '(levels={"batch_size": "shared"} if the model does not count on them)'
        )
    elif (
        isinstance(value, (list, tuple))
        and not is_feature_name(name)
        and _are_numbers(value, layout.num_nodes)
    ):
        raise ValueError(
            f"{name!r}: expected a tensor, or a declaration of these integers, which may be node numbers, "
            f'found a {type(value).__name__}: levels={{{name!r}: "shared"}} if they are not'
        )


def _are_numbers(values: list | tuple, num_nodes: int) -> bool:
    whole = [isinstance(one, int) and not isinstance(one, bool) and -1 <= one < num_nodes for one in values]
    return bool(whole) and all(whole)


def _check_said(name: Name, value: Any, layout: Layout) -> None:
    wrong = not isinstance(value, Tensor) or value.dtype not in (torch.int32, torch.int64)
    if value is not None and wrong:
        found = value.dtype if isinstance(value, Tensor) else f"a {type(value).__name__}"
        raise ValueError(f"{name!r}: expected node numbers in a tensor of int64, found {found}")
    if (
        value is not None
        and layout.declared_level(name) == "node_index"
        and value.shape[:1] != (layout.num_nodes,)
    ):
        expected = f"[{layout.num_nodes}, ...]"
        raise ValueError(f"{name!r}: expected a row for each node, {expected}, found {list(value.shape)}")


def _check_unnamed(name: Name, value: Tensor, layout: Layout) -> None:
    # One number a sample, which PyG's data sets call so, is that of the sample.
    of_samples = name == "idx" and layout.is_collated and len(value) == layout.num_graphs
    if value.layout == torch.strided and not layout.is_counted(name) and not of_samples:
        check_feature(name, value, layout.num_nodes)


def _check_named(name: Name, value: Tensor, layout: Layout) -> None:
    """Node numbers by their name: of which set of nodes, and whether in rows of their own."""
    if not layout.counts_nodes(name):
        raise ValueError(
            f"{name!r}: expected node numbers, to which collation adds the number of nodes, found another "
            f'__inc__: levels={{{name!r}: "index"}} for numbers within each graph, or the level of its rows'
        )
    is_known = name in (layout.edge_name, "face")
    if is_known or not value.dim() or (value.dim() == 2 and len(value) == 2):
        return
    rows = len(value)
    if layout.num_nodes > layout.num_graphs and rows == layout.num_nodes:
        raise ValueError(
            f"{name!r}: expected a declaration of these {rows} rows of node numbers, of {layout.num_nodes} "
            f'nodes: levels={{{name!r}: "node_index"}} for a row for each node, "index" for rows of their own'
        )


def marks_of(layout: Layout) -> Tensor | None:
    """Marks nodes that the model is told by number, each as the first entry that names it, ``[N]``.

    A permutation that leaves the graph alone but not these nodes gives the model another input.
    """
    marks, first, found = torch.full_like(layout.batch, torch.iinfo(torch.long).max), 0, False
    for _, numbers, body in layout.node_numbers():
        local = index_within_body(body, torch.bincount(body, minlength=layout.num_graphs))
        step = int(local.max()) + 1 if len(local) else 1
        codes = first + torch.arange(len(numbers), device=local.device).unsqueeze(1) * step + local
        real = numbers >= 0
        marks.scatter_reduce_(0, numbers[real], codes[real], "amin")
        first, found = first + len(numbers) * step, True
    return torch.where(marks == torch.iinfo(torch.long).max, -1, marks) if found else None


def pointers_of(layout: Layout) -> list[tuple[Tensor, tuple[Tensor, ...]]]:
    """The edges from nodes to those that their rows of node numbers name, with the column of each."""
    parts = []
    for name, value in layout.call.values.items():
        if layout.declared_level(name) == "node_index" and value is not None:
            rows = layout.within_batch(name, value).reshape(layout.num_nodes, -1)
            node, column = (rows >= 0).nonzero().unbind(1)
            parts.append((torch.stack([node, rows[node, column]]), (column,)))
    return parts
