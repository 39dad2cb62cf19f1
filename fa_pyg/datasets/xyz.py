"""XYZ files, plain, QM9's and extended, as PyG data."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from torch_geometric.data import Data, InMemoryDataset

from fa_pyg.datasets.splits import Splits, choose
from fa_pyg.io.xyz.files import collate, find_files, report
from fa_pyg.io.xyz.parse import ReadOptions, asked
from fa_pyg.io.xyz.read import Transform, read_xyz
from fa_pyg.io.xyz.table import Table
from fa_pyg.io.xyz.table_rows import TableRows

__all__ = ["XYZ", "read_xyz"]


class XYZ(InMemoryDataset):
    r"""Molecules from XYZ files: a folder, a file, or a list of files and folders.

    A folder stands for all its files called `.xyz` or `.extxyz`, also with `.gz`, `.bz2` or `.xz` behind it,
    in subfolders too, sorted; hidden files are left out. :func:`~fa_pyg.datasets.read_xyz` says what the
    files may hold, what becomes of it and in what units; its keywords (`dtype`, `comment`, `columns`,
    `edges`, `targets`) all work here. :class:`~fa_pyg.datasets.LazyXYZ` is for files that are larger than the
    memory.

    Args:
        root_or_files: Where the molecules are. Nothing is written there.
        on_error: `"raise"` reads all files and then raises if there was a bad one. `"skip"` leaves bad files
            out and keeps their errors, with `file`, `line`, `found` and `expected`, in `dataset.errors`.
        table: A CSV file with numbers for every structure, or a :class:`~fa_pyg.datasets.Table` that says how
            it is to be read.
        split: `"train"`, `"val"` or `"test"`; None is everything. The parts are disjoint and in the order of
            the files. They are made of all structures, before `pre_filter`.
        splits: How many each part has: three shares that sum to at most 1, or three counts, one of which may
            be None (the rest); or which it has: a mapping from part to positions, or a file with one, `.json`
            or `.npz`, such as `{"train": [0, 3], "val": [1], "test": [2]}`.
        seed: Of the order in which shares and counts are drawn.
        transform, pre_transform, pre_filter: As in every PyG dataset.

    Raises:
        ValueError: If there is no file, if one is bad (`"raise"`) or all are, if nothing passes the filter,
            if a structure has no row of the table or a row no structure, if a split does not fit.

    Where structures differ in what nobody asked for (some have energies, some do not; a number in some is
    text in others, or has another length), it is left out, and a warning names it. `targets`, `columns`,
    `table` and what `edges` and `pre_transform` make must be alike. Integers become real numbers where others
    are, and what has no cell is not periodic where others have one; `stress` and `virial` that only some have
    are NaN in the others.
    """

    def __init__(
        self,
        root_or_files: str | os.PathLike | Iterable[str | os.PathLike],
        *,
        on_error: str = "raise",
        table: Table | str | os.PathLike | None = None,
        split: str | None = None,
        splits: Splits = (0.8, 0.1, 0.1),
        seed: int = 0,
        transform: Transform | None = None,
        pre_transform: Transform | None = None,
        pre_filter: Callable[[Data], bool] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(None, transform, pre_transform, pre_filter)
        self.errors: list[ValueError] = []
        if on_error not in ("raise", "skip"):
            raise ValueError(f"on_error: found {on_error!r}, expected 'raise' or 'skip'")
        reading = ReadOptions(**options)
        rows = None if table is None else Table.of(table).read()
        files = find_files(root_or_files)
        structures = self._read(files, on_error, options, rows)
        brought = _names(structures)
        structures = [structures[i] for i in choose(len(structures), split, splits, seed)]
        structures = [s for s in structures if pre_filter is None or pre_filter(s)]
        structures = [s if pre_transform is None else pre_transform(s) for s in structures]
        if not structures:
            raise ValueError("pre_filter: found no structure that passes, expected at least one")
        self._data, self.slices = collate(structures, asked(reading, rows) | (_names(structures) - brought))

    def _read(
        self, files: list[Path], on_error: str, options: dict[str, Any], rows: TableRows | None
    ) -> list[Data]:
        parts = [self._try(file, options) for file in files]
        structures = [data for part in parts for data in part]
        if self.errors and (on_error == "raise" or not structures):
            raise self.errors[0] if len(files) == 1 else ValueError(report(self.errors, len(files)))
        if rows is not None:
            found = rows.match(files, list(map(len, parts)), lambda i: structures[i].source)
            for data, row in zip(structures, found.tolist(), strict=True):
                rows.add(data, row)
        return structures

    def _try(self, file: Path, options: dict[str, Any]) -> list[Data]:
        try:
            return read_xyz(file, **options)
        except ValueError as error:
            self.errors.append(error)
            return []


def _names(structures: list[Data]) -> set[str]:
    return {name for data in structures for name, _ in data}
