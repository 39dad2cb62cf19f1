"""Collate graphs that are given as sizes and concatenated tensors, for an in-memory data set."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad
from torch_geometric.data import Data

from fa_pyg.files.tensors import Tensors

__all__ = ["collate_graphs", "offsets"]


def collate_graphs(tensors: Tensors, graphs: range | None = None) -> tuple[Data, dict[str, Tensor]]:
    """Return some consecutive graphs in the collated form of an ``InMemoryDataset``.

    Args:
        tensors: The number of ``nodes`` and ``edges`` of every graph [G]; ``x`` [N, F]; ``edge_index`` [2,
            E], with node indices that start from 0 in every graph; ``y`` [G], optional.
        graphs: Which graphs; None for all.
    """
    slices = {"x": offsets(tensors["nodes"]), "edge_index": offsets(tensors["edges"])}
    if "y" in tensors:
        slices["y"] = torch.arange(len(tensors["y"]) + 1)
    if graphs is not None:
        slices = {key: starts[graphs.start : graphs.stop + 1] for key, starts in slices.items()}
    parts = {key: tensors[key][..., starts[0] : starts[-1]] for key, starts in slices.items() if key != "x"}
    parts["x"] = tensors["x"][slices["x"][0] : slices["x"][-1]]
    return Data(**{key: parts[key] for key in slices}), {key: s - s[0] for key, s in slices.items()}


def offsets(sizes: Tensor) -> Tensor:
    """Return where consecutive pieces of these sizes [G] begin, and where the last one ends [G + 1]."""
    return pad(sizes.cumsum(0), (1, 0))
