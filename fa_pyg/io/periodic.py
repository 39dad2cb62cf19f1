"""Tell periodic structures from molecules."""

from __future__ import annotations

from torch_geometric.data import Data

__all__ = ["is_periodic"]


def is_periodic(data: Data) -> bool:
    """Return whether a structure (or any of a batch) is periodic in any direction, by its ``pbc``."""
    return "pbc" in data and bool(data.pbc.any())
