"""XYZ files, plain, QM9's and extended, as PyG data."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch_geometric.data import Data, InMemoryDataset

from fa_pyg.datasets.splits import Splits, choose
from fa_pyg.io.xyz.blocks import cut, load
from fa_pyg.io.xyz.collect import collate, find_files, report
from fa_pyg.io.xyz.parse import Reading, asked, structure
from fa_pyg.io.xyz.rows import Rows
from fa_pyg.io.xyz.table import Table
from fa_pyg.io.xyz.targets import Targets

__all__ = ["XYZ", "read_xyz"]

Transform = Callable[[Data], Data]


def read_xyz(
    path: str | os.PathLike,
    *,
    dtype: torch.dtype = torch.float32,
    comment: bool | None = None,
    columns: Mapping[str, int] | None = None,
    edges: Transform | None = None,
    targets: Targets | None = None,
) -> list[Data]:
    r"""Reads every structure of an XYZ file, one or many, plain or extended, packed (gzip, bzip2, xz) or not.

    A structure is a line with the number N of atoms, a comment line, and N lines `element x y z`; blank lines
    may stand between structures and at the end. The element is a symbol in any case or an atomic number (D
    and T become hydrogen, their mass is not kept); numbers are finite and may have Fortran's and
    Mathematica's exponents (`1.0D-5`, `1.0*^-5`). The same holds for extended XYZ.

    The **comment line may be missing**: the second line is the first atom if it is an atom line with as many
    columns as the line below it and the same kind of element (symbol or number). Then N atom lines and the
    end of the structure must follow; where they do not, the count may be wrong or the line a comment after
    all, and that is an error rather than a guess. One case cannot be told: a comment that looks exactly like
    the atoms, in a file that lacks exactly one atom, is the same text as a whole file without comments;
    `comment=True` says that every structure has one.

    Every structure becomes `Data` with, lengths in Angstrom,

    * `z [N]` int64, `pos [N, 3]`, `num_nodes` (N), `comment` (text, may be empty), `source` (`"file:line"` of
      the count);
    * from **QM9's raw files** (comment `gdb ...`), each `[1]`: `A`, `B`, `C` (GHz), `mu` (D), `alpha`
      (a_0^3), `r2` (a_0^2), `Cv` (cal/(mol K)) as they are, and `homo`, `lumo`, `gap`, `zpve`, `U0`, `U`,
      `H`, `G` in eV, *converted* from the Hartree of the file; `freq [3N - 6 or 3N - 5]` (1/cm),
      `mulliken [N]` (e), `idx [1]`, and the texts `smiles`, `inchi` (of GDB-17), `smiles_relaxed` and
      `inchi_relaxed`. Total energies are as large as -2e4 eV, where float32 resolves 2e-3 eV: ask for
      float64 if that matters;
    * from **extended XYZ** (the comment has `Lattice=`, `Properties=` or `pbc=`, in any case of letters):
      `cell [1, 3, 3]` (rows are vectors, zero if there is none), `pbc [1, 3]` (true if there is only a
      lattice), every column `[N]` or `[N, k]` and every entry of the comment `[1]`, `[1, k]` or text, each
      under its own name. `stress` and `virial` are `[1, 3, 3]` where they are 9 numbers (column by column; of
      `stress` the upper triangle is read) or 6 (xx yy zz yz xz xy). Integers are int64, `T` and `F` bool.

    Names that PyG gives a meaning, and those of the list above, are changed: `index` in a name becomes `idx`,
    `batch` `group` and `edge` `bond`; underscores in front are cut; a name that is taken, such as `pos`,
    `self`, `to`, `num_nodes`, or `x` of a structure, gets a trailing underscore. Columns that are called
    `energy`, `free_energy`, `stress`, `virial`, `dipole` or `magmom` become `energies`, `free_energies`,
    `stresses`, `virials`, `dipoles` and `magmoms`: they are of atoms.

    A value that is neither numbers nor flags is text, `nan` too, so that it cannot pass for a number; under
    those six names `nan` and `inf` are errors, as they are in columns, coordinates and `Lattice`, and as are
    numbers that `dtype` cannot hold.

    Args:
        path: The file.
        dtype: float32 or float64, for everything that is not an integer.
        comment: Whether the second line of each structure is a comment; None looks, as described.
        columns: Names and widths of the columns after the coordinates of plain XYZ, in their order, such as
            `{"forces": 3}`; they must then be on every line and become `[N]` (width 1) or `[N, width]`.
            Further columns are left out.
        edges: What adds edges, for instance :class:`~fa_pyg.datasets.RDKitBonds`,
            :class:`~fa_pyg.datasets.CovalentBonds` or :class:`~fa_pyg.datasets.RadiusGraph`.
        targets: What the comment line says, under names of your own: `{"energy": "E_dft"}` is the number
            after the key `E_dft=` (also any column or entry of extended XYZ and any property of QM9, which
            then has the new name only), `{"energy": 0, "gap": -1}` are the first and the last word of the
            comment, and `["energy"]` is short for `{"energy": "energy"}`. Words end at spaces, commas and
            semicolons; several numbers stand in quotes or brackets (`mu="0 0 1.8"`). A target is float64
            whatever `dtype` is, `[1]`, or `[1, k]` where there are k numbers; one of atoms has their type and
            shape. Every structure must have all of them.

    Raises:
        ValueError: With the file, the line, what was found and what was expected, for anything that is
            not as described: a wrong number of atoms, an unknown element, a coordinate that is no finite
            number, a header that is nearly one of extended XYZ, a periodic direction without a vector, a
            truncated file, binary data, a broken packed stream, no file at all. Nothing of it is returned
            then.

    Not guaranteed: that the numbers are in these units, XYZ has no place to say so.
    """
    reading = Reading(dtype, comment, columns, edges, targets)
    text = load(path)
    return [structure(text, block, reading) for block in cut(text, comment, reading.limit)]


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
        reading = Reading(**options)
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
        self, files: list[Path], on_error: str, options: dict[str, Any], rows: Rows | None
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
