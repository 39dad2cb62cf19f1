"""Columns of a database of structures: types and shapes, and the conversion of attributes."""

from __future__ import annotations

import json
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data

__all__ = ["Layout", "columns", "layout_of", "restore", "schema", "store"]

PLACE, CHECK = "place", "crc32"  # columns: the index of the structure in the files; checksum of the row
MOST = 1900  # columns; SQLite allows 2000

Layout = dict[str, list | None]


def columns(layout: Layout) -> list[str]:
    """Return the names of columns: numbered, so that no name from a file gets into SQL."""
    return [f"c{number}" for number in range(len(layout))]


def schema(layout: Layout) -> dict[str, Any]:
    """Return the schema of a database for PyG."""

    def kind(entry: list | None) -> Any:
        return str if entry is None else {"dtype": getattr(torch, entry[0]), "size": tuple(entry[1])}

    kinds = {column: kind(entry) for column, entry in zip(columns(layout), layout.values(), strict=True)}
    return kinds | {PLACE: int, CHECK: int}


def layout_of(data: Data) -> Layout:
    """Return type and shape of each attribute, -1 where structures differ; None for JSON.

    Raises:
        ValueError: for too many attributes.
    """
    layout: Layout = {}
    for name, value in data._store.items():
        layout[name] = None
        if isinstance(value, Tensor):
            shape = list(value.shape)
            if shape:
                shape[data.__cat_dim__(name, value)] = -1
            layout[name] = [str(value.dtype).removeprefix("torch."), shape]
    if len(layout) > MOST:
        raise ValueError(f"{data.get('source')}: expected at most {MOST} attributes, found {len(layout)}")
    return layout


def store(data: Data, name: str) -> Tensor | str:
    """Convert an attribute for a row: a tensor of a NumPy type, or JSON.

    Raises:
        ValueError: where neither is possible.
    """
    value = data[name]
    try:
        if isinstance(value, Tensor):
            value = value.detach().contiguous()
            value.numpy()  # raises for types that NumPy lacks
            return value
        return json.dumps(value)
    except (TypeError, ValueError, RuntimeError, RecursionError) as error:
        expected = "a CPU tensor of a NumPy type, or a value that JSON can represent"
        raise ValueError(f"{data.get('source')}: {name}: expected {expected}, found {error}") from error


def restore(value: Tensor | str) -> Any:
    """Convert back from a row; tensors are copies, as the bytes of the database are read-only."""
    return value.clone() if isinstance(value, Tensor) else json.loads(value)
