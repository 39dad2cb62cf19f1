"""Clouds drawn from stored points, and stamps of the files that these come from."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data, Dataset

from fa_pyg.cad import SURFACES

__all__ = ["Pools", "repeated", "stamp"]


class Pools(Dataset):
    """Point clouds drawn from pools of points: the common part of data sets that keep all in memory.

    A slice (or a list of indices) of a data set is one of its own: its attributes are those of its parts,
    which are copied. Families, and so the meaning of ``y``, stay.

    Attributes:
        pos, normal: of the points of all parts, ``[P, n, 3]``.
        surface: their kinds, ``[P, n]`` (uint8).
        y: the family of each part, ``[P]``.
        families: the names of all families.
        num_points, fresh: how many points are drawn of a part, and whether others at each access.
    """

    pos: Tensor
    normal: Tensor
    surface: Tensor
    y: Tensor
    families: Sequence[str]
    num_points: int
    fresh: bool
    surfaces = SURFACES
    of_parts: tuple[str, ...] = ("pos", "normal", "surface", "y")  # attributes with an entry for each part

    @property
    def num_classes(self) -> int:
        """The number of families."""
        return len(self.families)

    def len(self) -> int:
        """Return the number of parts."""
        return len(self.y)

    def get(self, idx: int) -> Data:
        """Return some points of a part."""
        total = self.pos.shape[1]
        these = torch.randperm(total)[: self.num_points] if self.fresh else slice(self.num_points)
        pos, normal, surface = (value[idx, these] for value in (self.pos, self.normal, self.surface))
        return Data(pos=pos, normal=normal, surface=surface.long(), y=self.y[idx : idx + 1])

    def index_select(self, idx: Any) -> Pools:
        """Return the data set of some parts."""
        some: Any = super().index_select(idx)
        if some._indices is None:  # PyG calls this again with tensors as lists
            return some
        index, some._indices = list(some._indices), None
        for key in self.of_parts:
            setattr(some, key, _entries(getattr(self, key), index))
        return some


def _entries(values: Tensor | Sequence[Any], index: list[int]) -> Tensor | list[Any]:
    if isinstance(values, Tensor):
        return values[torch.tensor(index, dtype=torch.long)]
    return [values[i] for i in index]


def repeated(names: Iterable[str]) -> str | None:
    """Return the first name that comes a second time, None where none does."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


def stamp(path: Path) -> str:
    """Return size and time of a file, for names of caches; "none" where there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return "none"
    return f"{found.st_size} {found.st_mtime_ns}"
