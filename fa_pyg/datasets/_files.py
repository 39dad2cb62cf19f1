"""Graphs end to end in a few tensors, and the files that hold them."""

import os
import uuid
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import pad
from torch_geometric.data import Data

from fa_pyg import checks

Tensors = dict[str, Tensor]
GRAPHS = ("nodes", "edges", "x", "edge_index", "y")  # the sizes [G], then what lies end to end


def collated(tensors: Tensors, first: int = 0, last: int | None = None) -> tuple[Data, dict[str, Tensor]]:
    """Graphs ``first`` to ``last`` in the contiguous form of an InMemoryDataset.

    Args:
        tensors: the number of ``nodes`` and ``edges`` of each graph [G]; ``x`` [N, F]; ``edge_index`` [2, E],
            where each graph counts its nodes from 0; ``y`` [G], may be missing.
    """
    slices = {"x": _starts(tensors["nodes"]), "edge_index": _starts(tensors["edges"])}
    if "y" in tensors:
        slices["y"] = torch.arange(len(tensors["y"]) + 1)
    slices = {key: starts[first : None if last is None else last + 1] for key, starts in slices.items()}
    parts = {key: tensors[key][..., starts[0] : starts[-1]] for key, starts in slices.items() if key != "x"}
    parts["x"] = tensors["x"][slices["x"][0] : slices["x"][-1]]
    return Data(**{key: parts[key] for key in slices}), {key: s - s[0] for key, s in slices.items()}


def _starts(sizes: Tensor) -> Tensor:
    return pad(sizes.cumsum(0), (1, 0))


def cached(path: str, keys: tuple[str, ...], make: Callable[[], Tensors], again: bool = False) -> Tensors:
    """The tensors of a file, made and written first where there is none, or ``again``."""
    if again or not os.path.exists(path):
        _save(make(), path)
    return _load(path, keys)


def _save(tensors: Tensors, path: str) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    write(path, lambda temporary: torch.save(tensors, temporary))


def write(path: str, save: Callable[[str], object]) -> None:
    """Write under a name nobody else uses, then rename: a reader finds all of the file or none of it."""
    temporary = f"{path}.{uuid.uuid4().hex}.tmp"
    try:
        save(temporary)
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)


def _load(path: str, keys: tuple[str, ...]) -> Tensors:
    try:
        loaded = torch.load(path, weights_only=True)
        return {key: loaded[key] for key in keys}
    except Exception as error:
        raise ValueError(
            f"{path}: found a {type(error).__name__}, expected the tensors {', '.join(keys)}; "
            "delete the file to have it generated again"
        ) from error


def require(holds: bool, name: str, argument: str, found: object, expected: str) -> None:
    if not holds:
        checks.refuse(f"{name}: {argument}", expected, found)


def is_whole(value: object) -> bool:
    return checks.is_integer(value)
