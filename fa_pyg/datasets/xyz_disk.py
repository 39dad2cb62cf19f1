"""Molecules with what was made of them once, bonds for instance, on disk: read one by one, never all."""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data, Database, OnDiskDataset

from fa_pyg.datasets._files import write
from fa_pyg.datasets._xyz_index import in_order
from fa_pyg.datasets._xyz_progress import locked
from fa_pyg.datasets._xyz_splits import Splits, choose
from fa_pyg.datasets.xyz_lazy import LazyXYZ

__all__ = ["OnDiskXYZ"]

PLACE = "place"  # column: which structure of the files a row is
BATCH = 256  # structures of a transaction


class OnDiskXYZ(OnDiskDataset):
    r"""The structures of XYZ files after `edges`, `pre_filter` and `pre_transform`, in an SQLite database.

    For data sets that do not fit into memory and whose preparation is slow: it is done once, in order, and
    what is done stays done if the process is killed. All structures must have the same attributes: tensors,
    or what JSON can hold. Where reading alone is enough, :class:`~fa_pyg.datasets.LazyXYZ` needs less disk.

    Args:
        root: Folder of the database and of the index of the files.
        root_or_files: As for :class:`~fa_pyg.datasets.XYZ`, as are `on_error`, `table`, and the keywords of
            :func:`~fa_pyg.datasets.read_xyz` in `options`.
        name: Of the database: one for each preparation, which cannot be told from its functions.
        workers: Processes that prepare; the functions must then be picklable.
        split, splits, seed: As for `XYZ`, but of the structures that passed the filter.
        transform, pre_transform, pre_filter: As in every PyG dataset.

    Raises ValueError as `XYZ` does, and for a structure whose attributes are others than the first one's;
    what came before it stays.
    """

    def __init__(
        self,
        root: str | os.PathLike,
        root_or_files: str | os.PathLike | Iterable[str | os.PathLike],
        *,
        name: str = "molecules",
        workers: int = 0,
        split: str | None = None,
        splits: Splits = (0.8, 0.1, 0.1),
        seed: int = 0,
        transform: Callable[[Data], Data] | None = None,
        pre_transform: Callable[[Data], Data] | None = None,
        pre_filter: Callable[[Data], bool] | None = None,
        **options: Any,
    ) -> None:
        folder = Path(root) / "processed"
        source = LazyXYZ(root_or_files, cache=folder, **options)
        source.only_alike()
        self.errors = source.errors
        stamp = source.index.key  # another content of the files, or of their table, is another database
        if source._rows is not None:
            stamp += f"-{source._rows.mark()}"
        self._process_id = os.getpid()
        self._file = f"{name}-{stamp}.db"
        state = folder / f"{name}-{stamp}.json"
        with locked(folder / f"{name}.lock"):
            is_there = state.exists() and (folder / self._file).exists()
            made = json.loads(state.read_text()) if is_there else None
            make = _Prepare(source, pre_filter, pre_transform)
            self._layout = made["layout"] if made else _layout(make.first())
            super().__init__(str(root), transform, schema=_schema(self._layout))
            if not made or not made["done"]:
                _store(state, self._layout, False)
                self._fill(make, workers)
                _store(state, self._layout, True)
        if split is not None:
            self._indices = choose(self.len(), split, splits, seed).tolist()

    @property
    def db(self) -> Database:
        """The database, through a connection of this process: they cannot be shared."""
        if self._process_id != os.getpid():
            self._db, self._process_id = None, os.getpid()
        return super().db

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_db": None}

    @property
    def processed_file_names(self) -> str:
        return self._file

    def __getitems__(self, indices: list[int]) -> list[Data]:
        """Several structures of this split at once."""
        own = self.indices()
        return self.multi_get([own[i] for i in indices])

    def serialize(self, data: Data) -> dict[str, Any]:
        """A row of the database."""
        found = _layout(data)
        if {k: v for k, v in found.items() if k != PLACE} != self._layout:
            odd = sorted(k for k in found | self._layout if found.get(k) != self._layout.get(k))
            raise ValueError(
                f"{data.get('source')}: found {odd[0]} {found.get(odd[0])}, expected "
                f"{self._layout.get(odd[0])} as in the first structure"
            )
        row = {name: _stored(data[name]) for name in self._layout}
        return row | {PLACE: data[PLACE]}

    def deserialize(self, row: dict[str, Any]) -> Data:
        return Data(**{name: _restored(row[name]) for name in self._layout})

    def _fill(self, make: "_Prepare", workers: int) -> None:
        last = self.db.cursor.execute(f"SELECT MAX(COL_{PLACE}) FROM {self.db.name}").fetchone()[0]
        starts = range(0 if last is None else last + 1, len(make.source), BATCH)
        tasks = ((start, range(start, min(start + BATCH, len(make.source)))) for start in starts)
        for _, batch in in_order(_prepare, tasks, make, workers):
            if batch:
                self.extend(batch)


@dataclass(frozen=True)
class _Prepare:
    """What happens to each structure before it is stored."""

    source: LazyXYZ
    pre_filter: Callable[[Data], bool] | None
    pre_transform: Callable[[Data], Data] | None

    def each(self, places: Iterable[int]) -> Iterator[Data]:
        for place in places:
            data = self.source[place]
            if self.pre_filter is None or self.pre_filter(data):
                data = data if self.pre_transform is None else self.pre_transform(data)
                data[PLACE] = place
                yield data

    def first(self) -> Data:
        for data in self.each(range(len(self.source))):
            del data[PLACE]
            return data
        raise ValueError("pre_filter: found no structure that passes, expected at least one")


def _prepare(places: range, make: _Prepare) -> list[Data]:
    return list(make.each(places))


def _layout(data: Data) -> dict[str, list | None]:
    """Type and shape of each attribute, -1 where structures differ; None for what becomes JSON."""
    layout = {}
    for name, value in data:
        layout[name] = None
        if isinstance(value, Tensor):
            shape = list(value.shape)
            if shape:
                shape[data.__cat_dim__(name, value)] = -1
            layout[name] = [str(value.dtype).removeprefix("torch."), shape]
    return layout


def _schema(layout: dict[str, list | None]) -> dict[str, Any]:
    tensors = {name: kind for name, kind in layout.items() if kind is not None}
    columns = dict.fromkeys(layout, str) | {
        name: {"dtype": getattr(torch, dtype), "size": tuple(size)} for name, (dtype, size) in tensors.items()
    }
    return columns | {PLACE: int}


def _stored(value: Any) -> Any:
    return value.detach().contiguous() if isinstance(value, Tensor) else json.dumps(value)


def _restored(value: Any) -> Any:
    """A tensor that may be changed, which the bytes of the database may not, or what JSON holds."""
    return value.clone() if isinstance(value, Tensor) else json.loads(value)


def _store(path: Path, layout: dict[str, Any], done: bool) -> None:
    text = json.dumps({"layout": layout, "done": done})
    write(str(path), lambda temporary: Path(temporary).write_text(text))
