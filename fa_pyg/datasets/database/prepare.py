"""What happens to the structures of XYZ files before they are stored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from torch_geometric.data import Data

from fa_pyg.datasets.xyz_lazy import LazyXYZ
from fa_pyg.files.lock import Lock


@dataclass(frozen=True)
class Prepare:
    """What happens to each structure before it is stored."""

    source: LazyXYZ
    pre_filter: Callable[[Data], bool] | None
    pre_transform: Callable[[Data], Data] | None
    lock: Lock

    def each(self, places: Iterable[int]) -> Iterator[tuple[int, Data]]:
        for place in places:
            self.lock.show_life()
            data = self.source[place]
            if self.pre_filter is None or self.pre_filter(data):
                yield place, data if self.pre_transform is None else self.pre_transform(data)

    def first(self) -> Data:
        for _, data in self.each(range(len(self.source))):
            return data
        raise ValueError("pre_filter: found no structure that passes, expected at least one")


def prepare(places: range, make: Prepare) -> list[tuple[int, Data]]:
    return list(make.each(places))
