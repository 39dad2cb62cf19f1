"""One structure of an XYZ file, plain, QM9's or extended, as PyG data."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data

from fa_pyg.io.xyz.attribute_names import FIXED, check_free
from fa_pyg.io.xyz.blocks import QM9, Block, Text, bad_atom
from fa_pyg.io.xyz.extended import atoms, header
from fa_pyg.io.xyz.grammar import parse_atoms, parse_columns
from fa_pyg.io.xyz.header import EXTENDED
from fa_pyg.io.xyz.qm9 import QM9_TARGETS, qm9_values
from fa_pyg.io.xyz.table_rows import TableRows
from fa_pyg.io.xyz.targets import Targets, check_targets, with_targets


@dataclass(frozen=True)
class ReadOptions:
    """The keywords of `read_xyz`, checked."""

    dtype: torch.dtype = torch.float32
    comment: bool | None = None
    columns: Mapping[str, int] | None = None
    edges: Callable[[Data], Data] | None = None
    targets: Targets | None = None

    def __post_init__(self) -> None:
        if self.dtype not in (torch.float32, torch.float64):
            raise ValueError(f"dtype: found {self.dtype}, expected torch.float32 or torch.float64")
        check_free(self.columns or {})
        edges = self.edges
        if isinstance(edges, type) or not (edges is None or callable(edges)):
            found = f"the class {edges.__name__}" if isinstance(edges, type) else repr(edges)
            raise ValueError(f"edges: found {found}, expected what makes them, such as RDKitBonds()")
        object.__setattr__(self, "targets", check_targets(self.targets))

    @property
    def limit(self) -> float:
        """The largest number that can be held."""
        return torch.finfo(self.dtype).max

    def without_edges(self) -> "ReadOptions":
        """The same for what only looks at the files."""
        return replace(self, edges=None)

    def describe(self) -> list[Any]:
        """All that decides which files are good, and how they are cut."""
        parts = (self.columns or {}, self.targets or {})
        return [str(self.dtype), self.comment, *(list(map(list, part.items())) for part in parts)]


def asked(reading: ReadOptions, rows: TableRows | None = None) -> set[str]:
    """The attributes that somebody wants: all others may be left out where structures differ in them."""
    named = (*FIXED, *(reading.targets or ()), *(reading.columns or ()))
    return {*named, *(() if rows is None else (*rows.names, *rows.text)), "edge_index", "edge_attr"}


def structure(text: Text, block: Block, reading: ReadOptions) -> Data:
    """The data of a block."""
    words = block.comment.decode(errors="replace").strip()
    source = f"{text.file}:{text.number(block.start)}"
    found = values(text, block, reading)
    data = Data(**found, num_nodes=len(found["z"]), comment=words, source=source)
    return data if reading.edges is None else reading.edges(data)


def values(text: Text, block: Block, reading: ReadOptions) -> dict[str, Any]:
    """All numbers and names of a block; this finds whatever is wrong with it."""
    targets, limit = reading.targets, reading.limit
    wide = reading.dtype if targets is None else torch.float64  # the targets stay so
    if EXTENDED.search(block.comment):
        said = header(text, block, wide, limit, () if targets is None else targets.values())
        found = atoms(text, block, said, wide, limit) | said.values
        per_graph, names = said.values, said.names
    else:
        found, per_graph, names = _plain_values(text, block, reading, wide), QM9_TARGETS, {}
    if targets is None:
        return found
    return with_targets(text, block, found, per_graph, names, targets, reading.dtype)


def judge(text: Text, block: Block, reading: ReadOptions) -> None:
    """Raises what `values` does for a block whose last lines are not known, if they cannot change it."""
    try:
        values(text, block, replace(reading, dtype=torch.float64, targets=None))
    except ValueError:
        values(text, block, reading)


def _plain_values(text: Text, block: Block, reading: ReadOptions, dtype: torch.dtype) -> dict[str, Any]:
    """Plain and QM9's XYZ."""
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
    """The named columns after the coordinates."""
    width = sum(columns.values())
    found = parse_columns(rests, width, limit)
    if isinstance(found, int):
        names = ", ".join(columns)
        raise text.error(block.first + found, f"{width} finite numbers after the coordinates ({names})")
    parts = torch.from_numpy(found).to(dtype).split(list(columns.values()), dim=1)
    return {name: part.squeeze(1) for name, part in zip(columns, parts, strict=True)}
