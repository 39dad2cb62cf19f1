"""Snapshots of a trajectory as extended XYZ."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from torch_geometric.data import Data

from fa_pyg.io import write_xyz

__all__ = ["write_snapshots"]


def write_snapshots(snapshots: Iterable[Data], path: Path) -> None:
    """Write molecules with ``energy`` (eV) and ``forces`` (eV/Å), their split and number in ``source``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    named = (_with_source(data, f"{path.parent.name}:{i}") for i, data in enumerate(snapshots))
    write_xyz(path, named, names=["energy", "forces"], columns=["forces"], digits=10, source=True)


def _with_source(data: Data, source: str) -> Data:
    data.source = source
    return data
