"""Molecules that are read from disk one by one, with their targets."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset
from torch_geometric.data import Data
from torch_geometric.data import Dataset as PyGDataset

from fa_pyg.io.elements import SYMBOLS
from fa_pyg.train.tasks.cells import cells, describe
from fa_pyg.train.tasks.targets import Targets

__all__ = ["MoleculesOnDisk"]


class MoleculesOnDisk(Dataset):
    """Molecules of a data set, read on access, with only what is trained on.

    Args:
        dataset: any PyG data set.
        ids: indices of its molecules, in order.
        targets: names and units of the targets.

    Attributes:
        known: elements that a molecule may have ``[118 + 1]``; None for any. Reading another one raises
            ValueError.
    """

    def __init__(self, dataset: PyGDataset, ids: Tensor, targets: Targets) -> None:
        self.dataset, self.ids, self.targets = dataset, ids, targets
        self.known: Tensor | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Data:
        index = int(self.ids[index])
        data: Any = self.dataset[index]
        if self.known is not None and not self.known[data.z].all():
            symbols = ", ".join(SYMBOLS[z] for z in data.z[~self.known[data.z]].unique().tolist())
            raise ValueError(
                "num_fitted: expected elements of the molecules that references are fitted to, found "
                f"{symbols} in {describe(data, index)}"
            )
        return Data(z=data.z, pos=data.pos, **cells(data, index), **self.targets.of(data, index))

    def read_together(self, indices: list[int]) -> list[Data]:
        """Read several molecules; if one is periodic, all have a cell and ``pbc``."""
        molecules = [self[index] for index in indices]
        if any("pbc" in one for one in molecules):
            for one in (one for one in molecules if "pbc" not in one):
                one.cell, one.pbc = one["pos"].new_zeros(1, 3, 3), torch.zeros(1, 3, dtype=torch.bool)
        return molecules
