"""Parse extended XYZ: cell, periodicity, energy, forces, and all other named values."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from fa_pyg.io.xyz.attribute_names import rename
from fa_pyg.io.xyz.columns import Column, parse_properties, read_columns, what_is_wrong
from fa_pyg.io.xyz.header import HeaderError, RawValue, read_header
from fa_pyg.io.xyz.lines import Block, Text
from fa_pyg.io.xyz.values import parse_cell, parse_pbc, parse_value

__all__ = ["Header", "read_atoms", "read_comment"]

SHORTEST = 1e-30  # length of a cell vector: float32 would round to zero


class Header(NamedTuple):
    """The content of a comment line: values of the structure by attribute, and the columns of its atoms.

    ``names`` maps keys of the file to attributes, ``atomic`` its columns to attributes.
    """

    values: dict[str, Any]
    columns: list[Column]
    names: dict[str, str]
    atomic: dict[str, str]


def read_comment(
    text: Text, block: Block, dtype: torch.dtype, limit: float, exact: Collection[str | int] = ()
) -> Header:
    """Parse the comment line of a block; ``limit`` does not apply to the keys of ``exact``.

    Raises:
        XYZError: where it is not one of extended XYZ.
    """
    try:
        return _header(block.comment.decode(errors="replace"), dtype, limit, exact)
    except HeaderError as trouble:
        raise text.error(block.start + 1, f"a comment of extended XYZ: {trouble}") from None


def read_atoms(text: Text, block: Block, found: Header, dtype: torch.dtype, limit: float) -> dict[str, Any]:
    """Parse the atom lines of a block by attribute.

    Raises:
        XYZError: naming the first bad line.
    """
    rows = text.rows[block.first : block.stop]
    columns = read_columns(found.columns, rows, limit)
    if isinstance(columns, int):
        raise text.error(block.first + columns, what_is_wrong(found.columns, rows[columns], limit))
    return {name: _value(columns[key], dtype) for key, name in found.atomic.items()}


def _header(comment: str, dtype: torch.dtype, limit: float, exact: Collection[str | int]) -> Header:
    entries = read_header(comment)
    properties = entries.pop("Properties", None)
    columns = parse_properties(properties and properties.text)
    values = _lattice(entries.pop("Lattice", None), entries.pop("pbc", None))
    _check_size(values, limit)
    found = {key: parse_value(key, raw) for key, raw in entries.items()}
    _check_size({key: value for key, value in found.items() if key not in exact}, limit)
    _check_size(found, float(np.finfo(np.float64).max))
    names = rename(found, of_atoms=False)
    values |= {names[key]: value if isinstance(value, str) else value[None] for key, value in found.items()}
    atomic = _atomic(columns, values)
    return Header({name: _value(v, dtype) for name, v in values.items()}, columns, atomic | names, atomic)


def _atomic(columns: Sequence[Column], taken: Collection[str]) -> dict[str, str]:
    elements = [column.name for column in columns if column.kind in ("symbol", "number")]
    others = [column.name for column in columns if column.name not in (*elements, "pos")]
    return {elements[0]: "z", "pos": "pos"} | rename(others, True, taken)


def _check_size(values: dict[str, Any], limit: float) -> None:
    for name, value in values.items():
        if isinstance(value, np.ndarray) and value.dtype.kind == "f" and not (np.abs(value) <= limit).all():
            raise HeaderError(f"numbers of at most {limit:.3g} for {name}")


def _lattice(lattice: RawValue | None, pbc: RawValue | None) -> dict[str, np.ndarray]:
    """Return cell and periodicity; a lattice alone is periodic in all directions."""
    cell = np.zeros((3, 3)) if lattice is None else parse_cell(lattice)
    flags = np.full(3, lattice is not None) if pbc is None else parse_pbc(pbc)
    vectors = cell[flags]
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    good = bool((np.isfinite(lengths) & (lengths > SHORTEST)).all())
    if len(vectors) and not (good and np.linalg.matrix_rank(vectors / lengths) == len(vectors)):
        raise HeaderError('Lattice with independent vectors in its periodic directions, or pbc="F F F"')
    return {"cell": cell[None], "pbc": flags[None]}


def _value(value: Any, dtype: torch.dtype) -> Any:
    """Convert numbers and flags to a tensor; text stays."""
    if not isinstance(value, np.ndarray):
        return value
    kind = {"f": dtype, "b": torch.bool}.get(value.dtype.kind, torch.int64)
    return torch.from_numpy(np.ascontiguousarray(value)).to(kind)
