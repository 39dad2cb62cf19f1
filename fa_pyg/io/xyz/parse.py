"""Parse a structure of an XYZ file (plain, QM9's, or extended) into PyG data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data

from fa_pyg.io.xyz.blocks import QM9, bad_atom
from fa_pyg.io.xyz.extended import read_atoms, read_comment
from fa_pyg.io.xyz.grammar import parse_atoms, parse_columns
from fa_pyg.io.xyz.header import EXTENDED
from fa_pyg.io.xyz.lines import Block, Text
from fa_pyg.io.xyz.options import ReadOptions
from fa_pyg.io.xyz.qm9 import QM9_TARGETS, qm9_values
from fa_pyg.io.xyz.targets import with_targets

__all__ = ["check_values", "structure", "values"]


def structure(text: Text, block: Block, reading: ReadOptions) -> Data:
    """Return a block as PyG data."""
    words = block.comment.decode(errors="replace").strip()
    source = f"{text.file}:{text.number(block.start)}"
    found = values(text, block, reading)
    data = Data(**found, num_nodes=len(found["z"]), comment=words, source=source)
    return data if reading.edges is None else reading.edges(data)


def values(text: Text, block: Block, reading: ReadOptions) -> dict[str, Any]:
    """Return all values of a block by attribute.

    Raises:
        XYZError: for anything wrong with the block.
    """
    targets, limit = reading.wanted, reading.limit
    wide = reading.dtype if targets is None else torch.float64  # as targets stay
    if EXTENDED.search(block.comment):
        header = read_comment(text, block, wide, limit, () if targets is None else targets.values())
        found = read_atoms(text, block, header, wide, limit) | header.values
        per_graph, names = header.values, header.names
    else:
        found, per_graph, names = _plain_values(text, block, reading, wide), QM9_TARGETS, {}
    if targets is None:
        return found
    return with_targets(text, block, found, per_graph, names, targets, reading.dtype)


def check_values(text: Text, block: Block, reading: ReadOptions) -> None:
    """Raise the error of a block whose last lines are not read yet, if they cannot change it."""
    try:
        values(text, block, replace(reading, dtype=torch.float64, targets=None))
    except ValueError:
        values(text, block, reading)


def _plain_values(text: Text, block: Block, reading: ReadOptions, dtype: torch.dtype) -> dict[str, Any]:
    """Return the values of plain and QM9's XYZ."""
    columns = reading.columns or {}
    atoms = parse_atoms(text.rows[block.first : block.stop], reading.limit)
    if atoms is None:
        raise bad_atom(text, block, reading.limit)
    numbers, pos, rests = atoms
    found = {"z": torch.from_numpy(numbers), "pos": torch.from_numpy(pos).to(dtype)}
    if QM9.fullmatch(block.comment):
        found |= qm9_values(text, block, dtype, reading.limit)
        columns = columns or {"mulliken": 1}
    return found | _columns(text, block, rests, columns, dtype, reading.limit) if columns else found


def _columns(
    text: Text,
    block: Block,
    rests: Sequence[bytes],
    columns: Mapping[str, int],
    dtype: torch.dtype,
    limit: float,
) -> dict[str, Tensor]:
    """Return the named columns after the coordinates."""
    width = sum(columns.values())
    found = parse_columns(rests, width, limit)
    if isinstance(found, int):
        names = ", ".join(columns)
        raise text.error(block.first + found, f"{width} finite numbers after the coordinates ({names})")
    parts = torch.from_numpy(found).to(dtype).split(list(columns.values()), dim=1)
    return {name: part.squeeze(1) for name, part in zip(columns, parts, strict=True)}
