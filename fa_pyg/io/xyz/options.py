"""The keywords of ``read_xyz``, checked once for all readers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch_geometric.data import Data

from fa_pyg import checks
from fa_pyg.io.xyz.attribute_names import FIXED, check_free
from fa_pyg.io.xyz.table_rows import TableRows
from fa_pyg.io.xyz.targets import Targets, check_targets

__all__ = ["ReadOptions", "check_dtype", "requested_attributes"]


def check_dtype(dtype: torch.dtype) -> None:
    """Raise ValueError for another type than float32 and float64."""
    if dtype not in (torch.float32, torch.float64):
        checks.refuse("dtype", "torch.float32 or torch.float64", dtype)


@dataclass(frozen=True)
class ReadOptions:
    """The keywords of :func:`~fa_pyg.io.read_xyz`, checked."""

    dtype: torch.dtype = torch.float32
    comment: bool | None = None
    columns: Mapping[str, int] | None = None
    edges: Callable[[Data], Data] | None = None
    targets: Targets | None = None

    def __post_init__(self) -> None:
        check_dtype(self.dtype)
        check_free(self.columns or {})
        edges = self.edges
        if isinstance(edges, type) or not (edges is None or callable(edges)):
            found = f"the class {edges.__name__}" if isinstance(edges, type) else checks.shown(edges)
            raise ValueError(
                f"edges: expected a transform that adds edges, such as RDKitBonds(), found {found}"
            )
        object.__setattr__(self, "targets", check_targets(self.targets))

    @property
    def wanted(self) -> Mapping[str, str | int] | None:
        """The targets, each with its key or position."""
        targets: Any = self.targets  # a mapping, see check_targets
        return targets

    @property
    def limit(self) -> float:
        """The largest number of this type."""
        return torch.finfo(self.dtype).max

    def without_edges(self) -> ReadOptions:
        """Return the same options without ``edges``."""
        return replace(self, edges=None)

    def describe(self) -> list[Any]:
        """Return all that decides which files are good, and where structures begin, for JSON."""
        parts = (self.columns or {}, self.wanted or {})
        return [str(self.dtype), self.comment, *(list(map(list, part.items())) for part in parts)]


def requested_attributes(options: ReadOptions, rows: TableRows | None = None) -> set[str]:
    """Return the attributes that a user asked for: all others may be left out where structures differ."""
    named = (*FIXED, *(options.targets or ()), *(options.columns or ()))
    return {*named, *(() if rows is None else (*rows.names, *rows.text)), "edge_index", "edge_attr"}
