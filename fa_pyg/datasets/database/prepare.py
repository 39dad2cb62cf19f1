"""Filter and transform structures of XYZ files before they are stored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from torch_geometric.data import Data

from fa_pyg.datasets.xyz_lazy import LazyXYZ
from fa_pyg.files.lock import Lock

__all__ = ["Prepare", "prepare"]


@dataclass(frozen=True)
class Prepare:
    """Filter and transform structures, and show waiting processes that work goes on."""

    source: LazyXYZ
    pre_filter: Callable[[Data], bool] | None
    pre_transform: Callable[[Data], Data] | None
    lock: Lock

    def iterate(self, places: Iterable[int]) -> Iterator[tuple[int, Data]]:
        """Yield the structures at these positions that pass, with their positions."""
        for place in places:
            self.lock.show_life()
            data: Any = self.source[place]
            if self.pre_filter is None or self.pre_filter(data):
                yield place, data if self.pre_transform is None else self.pre_transform(data)

    def first(self) -> Data:
        """Return the first structure that passes the filter.

        Raises:
            ValueError: where none passes.
        """
        for _, data in self.iterate(range(len(self.source))):
            return data
        raise ValueError("pre_filter: expected at least one structure that passes, found none")


def prepare(places: range, make: Prepare) -> list[tuple[int, Data]]:
    """Return the structures at these positions that pass, with their positions: a task of a worker."""
    return list(make.iterate(places))
