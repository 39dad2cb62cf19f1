"""Random relabeling: graphs with their nodes and edges in another order."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Batch

from fa_pyg import checks

__all__ = ["relabelled", "shuffled"]


def relabelled(batch: Batch, generator: torch.Generator | None = None) -> Batch:
    """Permute the nodes of each graph, and its edges, at random.

    Attributes of nodes and edges (recognized as by :class:`torch_geometric.data.Data`) are permuted, too.

    Args:
        batch: collated, with ``edge_index``.
        generator: random number generator on the CPU; default torch's global one.

    Raises:
        ValueError: if an attribute other than ``edge_index`` contains node indices.
    """
    checks.instance("batch", batch, Batch, "a Batch")
    data: Any = batch
    checks.instance("generator", generator, torch.Generator, "a torch.Generator", optional=True)
    order, edges = shuffled(data.batch, generator), shuffled(data.batch[data.edge_index[0]], generator)
    rank = torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=order.device))
    copied = copy.copy(data)
    for key, value in data:
        if key in ("batch", "ptr") or not isinstance(value, Tensor):
            continue
        if key == "edge_index":
            copied[key] = rank[value[:, edges]]
        elif "index" in key or key == "face":
            raise ValueError(
                f"{key}: expected no node indices except in edge_index, found some; add it afterwards"
            )
        elif data.is_node_attr(key):
            copied[key] = value.index_select(data.__cat_dim__(key, value), order)
        elif data.is_edge_attr(key):
            copied[key] = value.index_select(data.__cat_dim__(key, value), edges)
    return copied


def shuffled(body: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Draw a random permutation of rows that maps the rows of each body to rows of the same body."""
    permutation = torch.randperm(len(body), generator=generator).to(body.device)
    order = torch.empty_like(permutation)
    order[torch.argsort(body, stable=True)] = permutation[torch.argsort(body[permutation], stable=True)]
    return order
