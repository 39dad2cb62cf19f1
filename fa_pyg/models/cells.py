"""Periodic systems of a potential: what the frame reads, and strains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from fa_pyg.builders import Frame
from fa_pyg.copies import Signature
from fa_pyg.nn import FrameAveraging

__all__ = ["INPUTS", "framed_periodic", "is_periodic", "strained"]

INPUTS = ("z", "pos", "batch", "edge_index", "edge_vec", "num_graphs")  # what a network may ask for


class _OnCells(nn.Module):
    """A network that is handed the cell, too, for the frame to read."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.takes = {name for name in INPUTS if Signature(model).takes(name)}

    def forward(self, z, edge_index, edge_vec, cell, batch, num_graphs):
        given = {"z": z, "edge_index": edge_index, "edge_vec": edge_vec, "batch": batch}
        given["num_graphs"] = num_graphs
        return self.model(**{name: value for name, value in given.items() if name in self.takes})


def framed_periodic(model: nn.Module, frame: Frame, output: Mapping[str, Any]) -> FrameAveraging:
    """Returns a network on neighbour vectors in a frame that is read from the cell."""
    inputs, levels = {"edge_vec": "vector", "cell": "vector"}, {"edge_vec": "edge", "cell": "graph"}
    return FrameAveraging(_OnCells(model), frame, inputs, reads=["cell"], levels=levels, **output)


def is_periodic(cell: Tensor | None, pbc: Tensor | None) -> bool:
    """Whether all systems of a batch are periodic; raises ValueError for some, in one direction only, or
    for cells that are flat."""
    if cell is None or pbc is None or not pbc.any():
        return False
    if not pbc.any(1).all():
        raise ValueError("pbc: expected systems that are all periodic or all not, found both in one batch")
    rank = torch.linalg.matrix_rank(cell.detach().double() * pbc.to(torch.float64).unsqueeze(2))
    if (rank < 2).any():
        raise ValueError("cell: expected at least two periodic directions, found one")
    if (rank < pbc.sum(1)).any():
        raise ValueError("cell: expected independent vectors in all periodic directions, found others")
    return True


def strained(x: Tensor, strain: Tensor | None, index: Tensor | None, rows: int = 0) -> Tensor:
    r"""Returns x (1 + eta) with the symmetric part of the strain, of vectors [n, 3] or of cells [B, 3, 3]."""
    if strain is None:
        return x
    eta = (strain + strain.mT) / 2
    if rows:
        return x + x @ eta
    if index is None:
        return x + x @ eta[0]
    return x + (x.unsqueeze(1) @ eta.index_select(0, index)).squeeze(1)
