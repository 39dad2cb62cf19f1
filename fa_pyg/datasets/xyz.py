"""Molecules and crystals of XYZ files as an in-memory data set."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch_geometric.data import Data, InMemoryDataset

from fa_pyg import checks
from fa_pyg.datasets.splits import Splits, choose_split
from fa_pyg.io.xyz.common_attributes import collate
from fa_pyg.io.xyz.files import Files, find_files, report
from fa_pyg.io.xyz.options import ReadOptions, requested_attributes
from fa_pyg.io.xyz.read import Transform, read_xyz
from fa_pyg.io.xyz.table import Table
from fa_pyg.io.xyz.table_rows import TableRows

__all__ = ["XYZ", "read_xyz"]


class XYZ(InMemoryDataset):
    r"""Molecules and crystals of XYZ files in memory: of a folder, a file, or a list of files and folders.

    Of a folder, all ``.xyz`` and ``.extxyz`` files are read, also with ``.gz``, ``.bz2`` or ``.xz``,
    including subfolders, in sorted order, without hidden files. :func:`~fa_pyg.datasets.read_xyz` describes
    formats, attributes and units; all its keywords (``dtype``, ``comment``, ``columns``, ``edges``,
    ``targets``) are keywords here. Use :class:`~fa_pyg.datasets.LazyXYZ` for files larger than memory.

    Args:
        root_or_files: The files. Nothing is written beside them.
        on_error: ``"raise"`` reads all files and then raises if one is bad. ``"skip"`` leaves bad files out
            and keeps their errors, with ``file``, ``line``, ``found`` and ``expected``, in
            ``dataset.errors``.
        table: A CSV file with numbers for every structure, or a :class:`~fa_pyg.datasets.Table`.
        split: ``"train"``, ``"val"`` or ``"test"``; None is all. Parts are disjoint, in the order of the
            files, and drawn from all structures, before ``pre_filter``.
        splits: Sizes of the parts: three shares that sum to at most 1, or three counts, one of which may be
            None (the rest). Or their positions: a mapping such as ``{"train": [0, 3], "val": [1], "test":
            [2]}``, or a ``.json`` or ``.npz`` file with such a mapping.
        seed: Of the random order that shares and counts are drawn in.
        transform, pre_transform, pre_filter: As in every PyG dataset.

    Raises:
        ValueError: Where there is no file, one is bad (``"raise"``) or all are, nothing passes the filter,
            structures and rows of the table do not match, or a split does not fit.

    Attributes that nobody requested are left out, with a warning, where structures differ in them (only some
    have energies; a number in some is text in others, or has another length). ``targets``, ``columns``,
    ``table``, and the attributes that ``edges`` and ``pre_transform`` add must be common to all. Integers
    become real numbers where other structures have real numbers; where some structures have a cell, others
    get a nonperiodic one; ``stress`` and ``virial`` of some are NaN in the others.
    """

    def __init__(
        self,
        root_or_files: Files,
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
        checks.one_of("on_error", on_error, ("raise", "skip"))
        reading = ReadOptions(**options)
        rows = None if table is None else Table.of(table).read()
        files = find_files(root_or_files)
        structures = self._read(files, on_error, options, rows)
        read = _names(structures)
        structures = [structures[i] for i in choose_split(len(structures), split, splits, seed)]
        structures = [s for s in structures if pre_filter is None or pre_filter(s)]
        structures = [s if pre_transform is None else pre_transform(s) for s in structures]
        if not structures:
            raise ValueError("pre_filter: expected at least one structure that passes, found none")
        added = _names(structures) - read
        self._data, self.slices = collate(structures, requested_attributes(reading, rows) | added)

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
    return {name for data in structures for name in data._store}
