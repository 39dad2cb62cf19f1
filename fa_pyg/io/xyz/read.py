"""Read XYZ files: plain, QM9's and extended XYZ, as a list of PyG data or one structure at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch_geometric.data import Data

from fa_pyg import checks
from fa_pyg.io.xyz.blocks import cut
from fa_pyg.io.xyz.errors import XYZError
from fa_pyg.io.xyz.lines import Block, Text, load
from fa_pyg.io.xyz.options import ReadOptions
from fa_pyg.io.xyz.parse import structure
from fa_pyg.io.xyz.stream import iterate_blocks, structures
from fa_pyg.io.xyz.targets import Targets

__all__ = ["iterate_xyz", "read_xyz"]

Transform = Callable[[Data], Data]
OnError = str | Callable[[XYZError], object]


def read_xyz(
    path: str | os.PathLike,
    *,
    dtype: torch.dtype = torch.float32,
    comment: bool | None = None,
    columns: Mapping[str, int] | None = None,
    edges: Transform | None = None,
    targets: Targets | None = None,
) -> list[Data]:
    r"""Read all structures of an XYZ file: plain, QM9's, or extended; also gzip, bzip2 or xz.

    A structure is a line with the number N of atoms, a comment line, and N lines ``element x y z``; blank
    lines may separate structures and end the file. The element is a symbol in any case or an atomic number (D
    and T become hydrogen, without their mass); numbers are finite, with the exponents of Fortran and
    Mathematica too (``1.0D-5``, ``1.0*^-5``).

    The **comment line may be missing**: the second line is the first atom if it is an atom line with as many
    columns and the same kind of element (symbol or number) as the line below. Then N atom lines and the end
    of the structure must follow; otherwise the count may be wrong, or the line may be a comment after all,
    which is an error rather than a guess. One case is ambiguous: a comment that looks exactly like the atoms,
    in a file that lacks exactly one atom, is also a complete file without comments; ``comment=True`` resolves
    it.

    Every structure becomes ``Data``, with lengths in Angstrom:

    * ``z [N]`` int64, ``pos [N, 3]``, ``num_nodes`` (N), ``comment`` (text), ``source`` (``"file:line"`` of
      the count);
    * from **QM9's raw files** (comment ``gdb ...``), all ``[1]``: ``A``, ``B``, ``C`` (GHz), ``mu`` (D),
      ``alpha`` (a_0^3), ``r2`` (a_0^2), ``Cv`` (cal/(mol K)), unchanged, and ``homo``, ``lumo``, ``gap``,
      ``zpve``, ``U0``, ``U``, ``H``, ``G`` in eV, *converted* from the Hartree of the file;
      ``freq [3N - 6 or 3N - 5]`` (1/cm), ``mulliken [N]`` (e), ``idx [1]``, and the texts ``smiles``,
      ``inchi`` (of GDB-17), ``smiles_relaxed`` and ``inchi_relaxed``. Total energies are as large as -2e4 eV,
      which float32 resolves to 2e-3 eV: use float64 if that matters;
    * from **extended XYZ** (the comment has ``Lattice=``, ``Properties=`` or ``pbc=``, in any case of
      letters): ``cell [1, 3, 3]`` (rows are vectors; zero if missing), ``pbc [1, 3]`` (true if there is only
      a lattice), every column ``[N]`` or ``[N, k]`` and every entry of the comment ``[1]``, ``[1, k]`` or
      text, by their names. ``stress`` and ``virial`` are ``[1, 3, 3]``, of 9 numbers (column by column; of
      ``stress`` the upper triangle is read) or 6 (xx yy zz yz xz xy). Integers are int64, ``T`` and ``F``
      bool.

    Names with a meaning in PyG, and those of the list above, are changed: ``index`` in a name becomes
    ``idx``, ``batch`` ``group`` and ``edge`` ``bond``; leading underscores are removed; a name in use, such
    as ``pos``, ``self``, ``to``, ``num_nodes``, or ``x`` of a structure, gets a trailing underscore. Columns
    named ``energy``, ``free_energy``, ``stress``, ``virial``, ``dipole`` or ``magmom``, which are of atoms,
    become ``energies``, ``free_energies``, ``stresses``, ``virials``, ``dipoles`` and ``magmoms``.

    Values that are neither numbers nor flags are text, including ``nan``, so that it cannot pass for a
    number; under those six names ``nan`` and ``inf`` are errors, as in columns, coordinates and ``Lattice``,
    and as are numbers that ``dtype`` cannot represent.

    Args:
        path: The file.
        dtype: float32 or float64, of all real numbers.
        comment: Whether the second line of a structure is a comment; None detects it, as described.
        columns: Names and widths of the columns after the coordinates of plain XYZ, in order, such as
            ``{"forces": 3}``; they must be on every line and become ``[N]`` (width 1) or ``[N, width]``.
            Further columns are ignored.
        edges: A transform that adds edges, for instance :class:`~fa_pyg.datasets.RDKitBonds`,
            :class:`~fa_pyg.datasets.CovalentBonds` or :class:`~fa_pyg.datasets.RadiusGraph`.
        targets: Values of the comment line, under chosen names: ``{"energy": "E_dft"}`` is the number after
            the key ``E_dft=`` (or a column or entry of extended XYZ, or a property of QM9, which is then
            renamed), ``{"energy": 0, "gap": -1}`` are the first and the last word of the comment, and
            ``["energy"]`` is short for ``{"energy": "energy"}``. Words end at spaces, commas and semicolons;
            several numbers are enclosed in quotes or brackets (``mu="0 0 1.8"``). Targets are float64 for any
            ``dtype``, ``[1]``, or ``[1, k]`` for k numbers; targets of atoms keep type and shape. Every
            structure must have all.

    Raises:
        ValueError: With the file, the line, what was expected and what was found, for anything else: a wrong
            number of atoms, an unknown element, a coordinate that is not a finite number, a header that is
            almost one of extended XYZ, a periodic direction without a vector, a truncated file, binary data,
            a broken packed stream, a missing file. Nothing is returned then.

    Not guaranteed: that numbers have these units, which XYZ cannot state.
    """
    reading = ReadOptions(dtype, comment, columns, edges, targets)
    text = load(path)
    return [structure(text, block, reading) for block in cut(text, comment, reading.limit)]


def iterate_xyz(path: str | os.PathLike, *, on_error: OnError = "raise", **options: Any) -> Iterator[Data]:
    """Iterate over the structures of an XYZ file of any size, in constant memory.

    Args:
        path: The file, packed (gzip, bzip2, xz) or not.
        on_error: What to do with a structure that cannot be read. ``"raise"``: raise what :func:`read_xyz`
            raises, after the good structures before it. ``"skip"``: leave the structure out. A function, such
            as ``errors.append``: call it with the :class:`XYZError` and leave the structure out. Where the
            error leaves it open where the next structure begins (a wrong number of atoms, a broken stream),
            iteration ends; the error then has ``ends_file`` set.
        options: The keywords of :func:`read_xyz`: ``dtype``, ``comment``, ``columns``, ``edges``,
            ``targets``.

    Yields:
        What ``read_xyz`` returns, in order; ``source`` is ``"file:line"``.

    Raises:
        ValueError: At the call for bad arguments, at iteration as described.
    """
    if on_error not in ("raise", "skip") and not callable(on_error):
        checks.refuse("on_error", '"raise", "skip" or a function of the error', on_error)
    reading = ReadOptions(**options)
    if on_error == "raise":
        return structures(path, reading)
    return _good_structures(path, reading, on_error if callable(on_error) else lambda error: None)


def _good_structures(
    path: str | os.PathLike, reading: ReadOptions, report: Callable[[XYZError], object]
) -> Iterator[Data]:
    def make(text: Text, block: Block) -> Data | XYZError:
        try:
            return structure(text, block, reading)
        except Exception as error:  # whatever is wrong with one structure, the next may be good
            return _as_xyz_error(error, text.file, text.number(block.start))

    # Reports are made outside of the try: what the caller raises is not an error of the file.
    blocks, end = iter(iterate_blocks(path, reading, make)), None
    while end is None:
        try:
            *_, found = next(blocks)
        except StopIteration:
            return
        except ValueError as error:
            found = end = _as_xyz_error(error, os.fspath(path))
            end.ends_file = True
        if isinstance(found, XYZError):
            report(found)
        else:
            yield found


def _as_xyz_error(error: Exception, file: str, line: int | None = None) -> XYZError:
    if isinstance(error, XYZError):
        return error
    kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
    found = f"{kind}{str(error).partition(chr(10))[0]}"
    return XYZError(file, line, found, "a structure that can be read")
