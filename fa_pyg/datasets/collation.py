"""Graphs end to end in a few tensors, and checks of arguments."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad
from torch_geometric.data import Data

from fa_pyg import checks
from fa_pyg.files.tensors import Tensors


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


def require(holds: bool, name: str, argument: str, found: object, expected: str) -> None:
    if not holds:
        checks.refuse(f"{name}: {argument}", expected, found)


def is_whole(value: object) -> bool:
    return checks.is_integer(value)
