"""Particles, graphs and edges in a call of an n-body model: checks of shapes, means, displacements."""

from __future__ import annotations

import torch
from torch import Tensor

from fa_pyg.math.linalg import gather, mean

__all__ = ["check_charge", "check_system", "displacements", "graph_index", "graph_means", "read_edges"]


def check_system(pos: Tensor, vel: Tensor, edge_index: Tensor | None, dim: int | None = None) -> None:
    """Raise ValueError for wrong shapes of positions, velocities and edges, without looking at values.

    Args:
        pos: expected ``[N, d]``.
        vel: expected as ``pos``.
        edge_index: expected ``[2, E]``, of int64.
        dim: d; default any.
    """
    if pos.dim() != 2 or (dim is not None and pos.size(1) != dim):
        raise ValueError(f"pos: expected [N, {dim or 'd'}], found {list(pos.shape)}")
    if vel.shape != pos.shape:
        raise ValueError(f"vel: expected {list(pos.shape)}, as pos, found {list(vel.shape)}")
    if edge_index is None:
        raise ValueError("edge_index, edge_attr: expected edges and products of charges, found None")
    if edge_index.dim() != 2 or len(edge_index) != 2 or edge_index.dtype != torch.int64:
        found = f"{list(edge_index.shape)} of {edge_index.dtype}"
        raise ValueError(f"edge_index: expected [2, E] of torch.int64, found {found}")


def check_charge(charge: Tensor | None, size: int) -> None:
    """Raise ValueError unless there is one charge for each particle, ``[N, 1]``."""
    if charge is None or charge.numel() != size or len(charge) != size:
        found = None if charge is None else list(charge.shape)
        raise ValueError(f"charge: expected [{size}, 1], found {found}")


def read_edges(
    edge_index: Tensor | None, edge_attr: Tensor | None, edge_dim: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the sources ``[E]``, targets ``[E]`` and features ``[E, edge_dim]`` of the edges of a call.

    Raises:
        ValueError: for missing edges or features, and another number of features.
    """
    if edge_index is None or edge_attr is None:
        raise ValueError("edge_index, edge_attr: expected edges and products of charges, found None")
    source, target = edge_index
    features = edge_attr.flatten(1) if edge_attr.dim() > 1 else edge_attr.unsqueeze(1)
    if features.shape != (len(source), edge_dim):
        expected = f"{edge_dim} features (edge_dim) of {len(source)} edges"
        raise ValueError(f"edge_attr: expected {expected}, found {list(edge_attr.shape)}")
    return source, target, features


def displacements(x: Tensor, source: Tensor, target: Tensor) -> Tensor:
    """Return the vectors ``[E, d]`` from the source to the target of every edge."""
    return gather(x, target) - gather(x, source)


def graph_index(batch: Tensor | None) -> Tensor | None:
    """Index the graph of each particle by its first node in sorted order; None for one graph.

    Such indices are below the number of particles: counting graphs would wait for a GPU.
    """
    return None if batch is None else torch.searchsorted(batch.sort().values, batch)


def graph_means(x: Tensor, graph: Tensor | None) -> Tensor:
    """Return for each particle the mean of its graph, ``[N, ...]``; ``graph`` from :func:`graph_index`."""
    return gather(mean(x, graph, 1 if graph is None else len(x)), graph)
