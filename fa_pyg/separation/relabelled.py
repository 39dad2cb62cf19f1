"""Random relabeling: graphs with their nodes and edges in another order."""

from __future__ import annotations

import copy

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
    checks.instance("generator", generator, torch.Generator, "a torch.Generator", optional=True)
    order, edges = shuffled(batch.batch, generator), shuffled(batch.batch[batch.edge_index[0]], generator)
    rank = torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=order.device))
    copied = copy.copy(batch)
    for key, value in batch:
        if key in ("batch", "ptr") or not isinstance(value, Tensor):
            continue
        if key == "edge_index":
            copied[key] = rank[value[:, edges]]
        elif "index" in key or key == "face":
            raise ValueError(
                f"{key}: expected no node indices except in edge_index, found some; add it afterwards"
            )
        elif batch.is_node_attr(key):
            copied[key] = value.index_select(batch.__cat_dim__(key, value), order)
        elif batch.is_edge_attr(key):
            copied[key] = value.index_select(batch.__cat_dim__(key, value), edges)
    return copied


def shuffled(body: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Draw a random permutation of rows that maps the rows of each body to rows of the same body."""
    permutation = torch.randperm(len(body), generator=generator).to(body.device)
    order = torch.empty_like(permutation)
    order[torch.argsort(body, stable=True)] = permutation[torch.argsort(body[permutation], stable=True)]
    return order
