"""The columns of a database of structures: types, shapes, and what becomes of an attribute in one."""

from __future__ import annotations

import json
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data

PLACE, CHECK = "place", "crc32"  # columns: which structure of the files a row is; of all that is in it
MOST = 1900  # columns; SQLite has 2000

Layout = dict[str, list | None]


def columns(layout: Layout) -> list[str]:
    return [f"c{number}" for number in range(len(layout))]


def schema(layout: Layout) -> dict[str, Any]:
    """The columns of a database for PyG."""

    def kind(entry: list | None) -> Any:
        return str if entry is None else {"dtype": getattr(torch, entry[0]), "size": tuple(entry[1])}

    kinds = {column: kind(entry) for column, entry in zip(columns(layout), layout.values(), strict=True)}
    return kinds | {PLACE: int, CHECK: int}


def layout_of(data: Data) -> Layout:
    """Type and shape of each attribute, -1 where structures differ; None for what becomes JSON."""
    layout: Layout = {}
    for name, value in data:
        layout[name] = None
        if isinstance(value, Tensor):
            shape = list(value.shape)
            if shape:
                shape[data.__cat_dim__(name, value)] = -1
            layout[name] = [str(value.dtype).removeprefix("torch."), shape]
    if len(layout) > MOST:
        raise ValueError(f"{data.get('source')}: found {len(layout)} attributes, expected {MOST} or fewer")
    return layout


def stored(data: Data, name: str) -> Tensor | str:
    """What becomes of an attribute in a row."""
    value = data[name]
    try:
        if isinstance(value, Tensor):
            value = value.detach().contiguous()
            value.numpy()  # what NumPy has no type for cannot be stored
            return value
        return json.dumps(value)
    except (TypeError, ValueError, RuntimeError, RecursionError) as error:
        expected = "a tensor of one of NumPy's types in the memory of the CPU, or what JSON can hold"
        raise ValueError(
            f"{data.get('source')}: found {name} that cannot be stored ({error}), expected {expected}"
        ) from error


def restored(value: Tensor | str) -> Any:
    """A tensor that may be changed, which the bytes of the database may not, or what JSON holds."""
    return value.clone() if isinstance(value, Tensor) else json.loads(value)
