"""Graphs with their nodes and edges in another order."""

from __future__ import annotations

import copy

import torch
from torch import Tensor
from torch_geometric.data import Batch

from fa_pyg import checks

__all__ = ["relabelled"]


def relabelled(batch: Batch, generator: torch.Generator | None = None) -> Batch:
    """Returns the same graphs with the nodes of each in a random order, and its edges in another one.

    Attributes of nodes and of edges (recognised as :class:`torch_geometric.data.Data` does) move with them.

    Args:
        batch: collated, with ``edge_index``.
        generator: of the orders, on the CPU; default torch's global one.

    Raises:
        ValueError: if an attribute besides ``edge_index`` holds numbers of nodes.
    """
    checks.instance("batch", batch, Batch, "a Batch")
    checks.instance("generator", generator, torch.Generator, "a torch.Generator", optional=True)
    order, edges = shuffled(batch.batch, generator), shuffled(batch.batch[batch.edge_index[0]], generator)
    place = torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=order.device))
    copied = copy.copy(batch)
    for key, value in batch:
        if key in ("batch", "ptr") or not isinstance(value, Tensor):
            continue
        if key == "edge_index":
            copied[key] = place[value[:, edges]]
        elif "index" in key or key == "face":
            raise ValueError(f"{key}: expected no numbers of nodes but edge_index; compute it after")
        elif batch.is_node_attr(key):
            copied[key] = value.index_select(batch.__cat_dim__(key, value), order)
        elif batch.is_edge_attr(key):
            copied[key] = value.index_select(batch.__cat_dim__(key, value), edges)
    return copied


def shuffled(body: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Returns a random order of rows in which each body's rows stay in the places of that body's rows."""
    by_chance = torch.randperm(len(body), generator=generator).to(body.device)
    order = torch.empty_like(by_chance)
    order[torch.argsort(body, stable=True)] = by_chance[torch.argsort(body[by_chance], stable=True)]
    return order
