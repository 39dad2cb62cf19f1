"""Write extended XYZ files: cells, targets and atomic columns, exact to the last bit."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from torch_geometric.data import Batch, Data

from fa_pyg import checks
from fa_pyg.files import atomic_write
from fa_pyg.io.xyz.format import Style, format_structure

__all__ = ["write_xyz"]

COMPRESS = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}


def write_xyz(
    file: str | os.PathLike | TextIO,
    structures: Data | Iterable[Data],
    *,
    names: Iterable[str] | None = None,
    columns: Collection[str] | None = None,
    digits: int | None = None,
    source: bool = False,
) -> int:
    """Write structures as extended XYZ; :func:`~fa_pyg.io.read_xyz` reads the same numbers, bit by bit.

    Positions, elements, and attributes with a row for each atom become columns; ``cell`` and ``pbc`` become
    ``Lattice`` and ``pbc``; numbers, flags and text of a structure become entries of the comment line, and
    six or nine numbers called ``stress`` or ``virial`` a 3 x 3 matrix, column by column.

    Args:
        file: The file to write, in one step: it is complete or unchanged. Called ``.gz``, ``.bz2`` or ``.xz``
            it is compressed. Or an open text file, to which the structures are appended.
        structures: ``Data`` with ``z [N]`` and ``pos [N, 3]`` (Angstrom), a ``Batch`` of them, or an
            iterable, consumed one by one.
        names: The attributes to write, beside ``z``, ``pos``, ``cell`` and ``pbc``. None is all that
            are not of edges; what a reader itself adds (``comment``, ``source``, ``num_nodes``) is left out.
        columns: Which of them have a row for each atom. None is those with N rows; where N = 1, those that
            are known as properties of atoms, such as ``forces``.
        digits: Decimals of each real number. None writes the shortest text that is read as the same number.
        source: Whether to write the ``source`` of each structure too. Characters that would break the line
            are written as in a URL (``%0A``), which ``urllib.parse.unquote_to_bytes`` takes back.

    Returns:
        The number of structures.

    Raises:
        ValueError: For a structure without elements or positions, an unknown element, numbers that are not
            finite, names and text that a line cannot hold, and where the file cannot be written; nothing is
            written to a path then. Only a ``stress`` or ``virial`` that is NaN everywhere is left out.

    Not guaranteed: that values come back in another shape than ``read_xyz`` gives (``[N, 3, 3]`` becomes
    ``[N, 9]``), that text which looks like a number stays text, that names which PyG gives a meaning stay
    (see ``read_xyz``), and the lower triangle of an asymmetric ``stress``.
    """
    checks.integer("digits", digits, 0, 100, optional=True)
    style = Style(None if names is None else list(names), columns, digits, source)
    with _open(file) as stream:  # all of a structure is written, or nothing
        return sum(1 for data in _list(structures) if stream.write(format_structure(data, style)))


def _list(structures: Data | Iterable[Data]) -> Iterable[Data]:
    if isinstance(structures, Batch):
        graphs: Any = structures.to_data_list()
        return graphs
    return [structures] if isinstance(structures, Data) else structures


@contextmanager
def _open(file: str | os.PathLike | TextIO) -> Iterator[TextIO]:
    if not isinstance(file, str | os.PathLike):
        yield file
        return
    compress = COMPRESS.get(os.path.splitext(os.fspath(file))[1].lower())
    if compress is None:
        with atomic_write(file) as stream:
            yield stream
        return
    with (
        atomic_write(file, "wb") as stream,
        compress(stream, "wb") as packed,
        io.TextIOWrapper(packed, "utf-8", newline="\n") as text,
    ):
        yield text
