"""The hash of any value of the package: of tensors by bits, type and shape, of frames and data by parts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import Data

from fa_pyg import Frames, PermutationFrames

__all__ = ["digest"]

MOTION = ("rotation", "weight", "body", "origin", "batch", "slots", "num_bodies", "counts", "slot_sizes")
ORDERS = ("order", "sizes", "body", "weight", "batch", "edge_index", "orbit", "edge_orbit", "slots", "counts")


def digest(value: Any) -> str:
    """Return the first 16 digits of the SHA-256 of a value."""
    found = hashlib.sha256()
    for part in parts(value):
        found.update(part)
    return found.hexdigest()[:16]


def parts(value: Any) -> Iterable[bytes]:
    """Yield what a value is made of."""
    if isinstance(value, Tensor):
        yield from array(value.detach().cpu())
    elif isinstance(value, np.ndarray | np.generic):
        yield from array(torch.as_tensor(np.ascontiguousarray(value)))
    elif isinstance(value, Frames):
        yield from named("Frames", {name: getattr(value, name) for name in MOTION})
    elif isinstance(value, PermutationFrames):
        yield from named("PermutationFrames", {name: getattr(value, name) for name in ORDERS})
    elif isinstance(value, Data):
        yield from named("Data", value.to_dict())
    elif isinstance(value, Mapping):
        yield from named("dict", value)
    elif isinstance(value, list | tuple):
        yield f"list {len(value)}".encode()
        for one in value:
            yield from parts(one)
    elif value is None or isinstance(value, bool | int | float | str | bytes | Path | torch.dtype):
        yield f"{type(value).__name__} {value!r};".encode()
    else:
        raise TypeError(f"no digest of a {type(value).__name__}")


def named(kind: str, value: Mapping[Any, Any]) -> Iterable[bytes]:
    yield f"{kind} {len(value)}".encode()
    for key in sorted(value, key=str):
        yield f"{key}=".encode()
        yield from parts(value[key])


def array(x: Tensor) -> Iterable[bytes]:
    """The bits of a dense tensor; every NaN has the same."""
    yield f"{x.dtype} {list(x.shape)};".encode()
    if x.is_floating_point():
        x = torch.where(x.isnan(), torch.nan, x)
    yield x.numpy().tobytes()
