"""Edges of n-body models: what a call has of them, and their displacements."""

from __future__ import annotations

from torch import Tensor

from fa_pyg.math.linalg import gather

__all__ = ["displacements", "read_edges"]


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
