"""Many XYZ files: which ones a folder holds, and how their structures become one data set."""

import os
import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch_geometric.data import Data, InMemoryDataset

_NAME = re.compile(r"[^.].*\.(ext)?xyz(\.gz)?", re.IGNORECASE)


def find_files(root_or_files: str | os.PathLike | Iterable[str | os.PathLike]) -> list[Path]:
    """The files named, and the XYZ files of the folders named, sorted."""
    single = isinstance(root_or_files, str | os.PathLike)
    files = [file for path in ([root_or_files] if single else root_or_files) for file in _expand(Path(path))]
    if not files:
        raise ValueError("root_or_files: found an empty list, expected at least one file")
    return files


def _expand(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(p for p in path.rglob("*") if _NAME.fullmatch(p.name) and p.is_file())
    if not files:
        raise ValueError(f"{path}: found a folder without XYZ files, expected .xyz or .extxyz (.gz)")
    return files


def report(errors: list[ValueError], files: int, most: int = 20) -> str:
    """One message for all bad files."""
    head = f"{len(errors)} of {files} files are bad, {files - len(errors)} others were read"
    lines = [f"{head} (on_error='skip' leaves bad files out):", *(f"  {error}" for error in errors[:most])]
    return "\n".join(lines + [f"  and {len(errors) - most} more"] * (len(errors) > most))


def collate(structures: list[Data]) -> tuple[Data, dict[str, Any] | None]:
    """The storage of an in-memory data set."""
    structures = _with_common_keys(structures)
    try:
        return InMemoryDataset.collate(structures)
    except (RuntimeError, TypeError, AttributeError) as error:
        for other in structures:
            _check_alike(structures[0], other)
        raise ValueError(f"the structures cannot be stored together ({error})") from error


def _with_common_keys(structures: list[Data]) -> list[Data]:
    keys = [frozenset(s.keys()) for s in structures]
    common = frozenset.intersection(*keys)
    dropped = sorted(frozenset.union(*keys) - common)
    if not dropped:
        return structures
    counts = ", ".join(f"{name} ({sum(name in k for k in keys)})" for name in dropped)
    warnings.warn(f"left out what not all {len(structures)} structures have: {counts}", stacklevel=4)
    return [Data(**{name: value for name, value in s if name in common}) for s in structures]


def _check_alike(first: Data, other: Data) -> None:
    for name, value in first:
        expected, found = _kind(value), _kind(other[name])
        if found != expected:
            sources = other.get("source"), first.get("source")
            raise ValueError(f"{sources[0]}: found {name} {found}, expected {expected} as in {sources[1]}")


def _kind(value: Any) -> str:
    if not isinstance(value, torch.Tensor):
        return f"of type {type(value).__name__}"
    return f"of shape [{', '.join(['*', *map(str, value.shape[1:])])}]"
