"""Structures of XYZ files with precomputed attributes, such as bonds, in a database on disk."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from torch_geometric.data import Data, Database, OnDiskDataset
from torch_geometric.data.database import SQLiteDatabase

from fa_pyg import checks
from fa_pyg.datasets.database.layout import PLACE, layout_of, restore, schema, store
from fa_pyg.datasets.database.prepare import Prepare, prepare
from fa_pyg.datasets.database.store import DAMAGE, TABLE, Store
from fa_pyg.datasets.splits import Splits, choose_split
from fa_pyg.datasets.xyz_lazy import LazyXYZ
from fa_pyg.files.lock import locked_or
from fa_pyg.io.xyz.files import Files
from fa_pyg.io.xyz.index.build import map_in_order

__all__ = ["OnDiskXYZ"]

BATCH = 256  # structures per transaction


class OnDiskXYZ(OnDiskDataset):
    r"""An SQLite database of the structures of XYZ files after ``edges`` and ``pre_transform``.

    For data sets that do not fit into memory and are slow to prepare: each structure is prepared once, in
    order, and a preparation that is killed is resumed. All structures must have the same attributes, of any
    names: tensors, or values that JSON can represent. Rows have checksums; a damaged database is named in a
    warning and made again. Where nothing is to be prepared, :class:`~fa_pyg.datasets.LazyXYZ` needs less
    disk.

    Args:
        root: Folder of the database and of the index of the files.
        root_or_files: As for :class:`~fa_pyg.datasets.XYZ`, like ``on_error``, ``table``, and the keywords of
            :func:`~fa_pyg.datasets.read_xyz` in ``options``.
        name: Of the database; use another name for another preparation, as functions are not compared.
        workers: Processes that prepare structures; functions must then be picklable.
        split, splits, seed: As for ``XYZ``, but of the structures that passed the filter.
        transform, pre_transform, pre_filter: As in every PyG dataset.

    Raises:
        ValueError: as for ``XYZ``; for a structure whose attributes differ from those of the first, or cannot
            be stored (structures before it stay stored); where ``root`` cannot be written; and, naming the
            file, at access to a row that was damaged meanwhile: it is made again at the next construction.
        TimeoutError: as for ``LazyXYZ``.
    """

    def __init__(
        self,
        root: str | os.PathLike,
        root_or_files: Files,
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
        _check_name(name)
        folder = Path(root).expanduser() / "processed"  # as PyG does
        source = LazyXYZ(root_or_files, cache=folder, **options)
        source.only_alike()
        self.errors = source.errors
        stamp = source.index.key  # of the contents of the files and their table
        if source._rows is not None:
            stamp += f"-{source._rows.digest()}"
        self._process_id = os.getpid()
        self._store = Store(folder / f"{name}-{stamp}")
        with locked_or(folder / f"{name}.lock", _not_writable) as lock:
            make = Prepare(source, pre_filter, pre_transform, lock)
            done = self._store.read()
            if done is None:
                self._store.begin(layout_of(make.first()))
            super().__init__(str(root), transform, schema=schema(self._store.layout))
            if not done:
                source.look()
                self._fill(make, workers)
                self._store.finish(self.len())
        if split is not None:
            self._indices = choose_split(self.len(), split, splits, seed).tolist()

    @property
    def db(self) -> Database:
        """Database, by a connection of this process, since connections cannot be shared."""
        if self._process_id != os.getpid():
            self._db, self._process_id = None, os.getpid()
        if self._db is None:
            self._db = SQLiteDatabase(str(self._store.file), TABLE, self.schema)
            self._numel = len(self._db)
        return self._db

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_db": None}

    @property
    def processed_file_names(self) -> str:
        return self._store.file.name

    def __getitems__(self, indices: list[int]) -> list[Data]:
        """Return several structures of this split."""
        positions = self.indices()
        return self.multi_get([positions[i] for i in indices])

    def get(self, idx: int) -> Data:
        """Return a structure by its position among all.

        Raises:
            ValueError: naming the file, where the row is damaged.
        """
        return self._read([int(idx)])[0]

    def multi_get(self, indices: Any, batch_size: int | None = None) -> list[Data]:
        """Return several structures by their positions among all, transformed."""
        indices = range(self.len())[indices] if isinstance(indices, slice) else indices
        found = self._read([int(i) for i in indices])
        return found if self.transform is None else [self.transform(data) for data in found]

    def serialize(self, data: Data) -> dict[str, Any]:
        """Return a row of the database, without its position.

        Raises:
            ValueError: for a structure with other attributes than the first.
        """
        layout, found = self._store.layout, layout_of(data)
        if found != layout:
            odd = sorted(k for k in found | layout if found.get(k) != layout.get(k))
            raise ValueError(
                f"{data.get('source')}: {odd[0]}: expected {layout.get(odd[0])} as in the first structure, "
                f"found {found.get(odd[0])}"
            )
        return {c: store(data, name) for c, name in zip(self._store.columns, layout, strict=True)}

    def deserialize(self, row: dict[str, Any]) -> Data:
        """Return the structure of a row."""
        data = Data()
        for column, name in zip(self._store.columns, self._store.layout, strict=True):
            data[name] = restore(row[column])
        return data

    def _read(self, indices: list[int]) -> list[Data]:
        if wrong := [i for i in indices if not 0 <= i < self.len()]:
            raise IndexError(f"index: expected 0 to {self.len() - 1}, found {wrong[0]}")
        try:
            rows = self.db.multi_get(indices) if len(indices) != 1 else [self.db.get(indices[0])]
            self._store.check(rows, len(indices))
            return [self.deserialize(row) for row in rows]
        except sqlite3.ProgrammingError:  # a connection in another thread, for instance
            raise
        except DAMAGE as error:
            self._store.raise_if_busy(error)
            self._store.recheck(self.len())
            raise ValueError(
                f"{self._store.file}: expected the structures that were stored, found damage ({error}); "
                "construct the data set again to make them again"
            ) from error

    def _fill(self, make: Prepare, workers: int) -> None:
        try:
            db: Any = self.db
            last = db.cursor.execute(f"SELECT MAX(COL_{PLACE}) FROM {TABLE}").fetchone()[0]
            starts = range(0 if last is None else last + 1, len(make.source), BATCH)
            tasks = ((start, range(start, min(start + BATCH, len(make.source)))) for start in starts)
            for _, batch in map_in_order(prepare, tasks, make, workers):
                self._add([self._row(place, data) for place, data in batch])
        except sqlite3.Error as error:
            raise OSError(f"{self._store.file}: cannot be written ({error})") from error
        finally:
            with suppress(sqlite3.Error):
                self.close()  # after an error too: an open transaction would lock out others
            self._db = None

    def _row(self, place: int, data: Data) -> dict[str, Any]:
        return self._store.with_checksum(self.serialize(data) | {PLACE: place})

    def _add(self, rows: list[dict[str, Any]]) -> None:
        if rows:
            first = self._numel or 0
            self.db.multi_insert(range(first, first + len(rows)), rows)
            self._numel = first + len(rows)


def _check_name(name: str) -> None:
    """Raise ValueError for anything but a file name."""
    is_name = isinstance(name, str) and name not in ("", ".", "..")
    if not is_name or len(os.fsencode(name)) > 100 or set(name) & set("/\\\0"):
        checks.refuse("name", "a file name of at most 100 bytes", name)


def _not_writable(path: Path, error: OSError) -> ValueError:
    found = f"{path}, which cannot be opened ({error.strerror})"
    return ValueError(f"root: expected a folder that can be written to, found {found}")
