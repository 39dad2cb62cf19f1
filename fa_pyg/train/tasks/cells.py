"""Cells and periodic directions of molecules, checked, and how errors describe a molecule."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch_geometric.data import Data

__all__ = ["cells", "describe", "read_tensor"]


def cells(data: Data, index: int | None = None) -> dict[str, Tensor]:
    """Return ``cell [B, 3, 3]`` and ``pbc [B, 3]`` of a molecule, with its index, or of a batch of all.

    Empty if nothing is periodic; zero and False for the other graphs of a batch.

    Raises:
        ValueError: with the molecule, for periodic directions without a cell and a cell without periodic
            directions.
    """
    graphs = data.num_graphs if index is None else 1
    cell = read_tensor(data, "cell", (3, 3), index, graphs).to(data["pos"].dtype)
    pbc = read_tensor(data, "pbc", (3,), index, graphs).bool()
    for name, other in (("cell", pbc), ("pbc", cell)):
        if data.get(name) is None and other.any():
            graph = int(other.flatten(1).any(1).nonzero()[0]) if index is None else None
            raise ValueError(f"{name}: expected one in {describe(data, index, graph)}, found none")
    return {"cell": cell, "pbc": pbc} if pbc.any() else {}


def read_tensor(data: Data, name: str, shape: tuple[int, ...], index: int | None, graphs: int) -> Tensor:
    """Return an attribute ``[graphs, *shape]``, 0 if it is missing.

    Raises:
        ValueError: with the molecule, for another number of values.
    """
    if data.get(name) is None:
        return data["pos"].new_zeros(graphs, *shape)
    value = torch.as_tensor(data[name])
    if value.numel() != graphs * math.prod(shape):
        where, expected = describe(data, index), [graphs, *shape]
        raise ValueError(f"{name}: expected {expected} in {where}, found {list(value.shape)}")
    return value.reshape(graphs, *shape)


def describe(data: Data, index: int | None, graph: int | None = None) -> str:
    """Describe a molecule by its index in the data set, or in a batch of all, and its file and line."""
    if index is None and graph is None:
        return "the data"
    source = data.source if "source" in data else None
    source = source[graph] if isinstance(source, list) and graph is not None else source
    return f"molecule {graph if index is None else index}" + (f" ({source})" if source else "")
