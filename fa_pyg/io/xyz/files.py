"""Many XYZ files: which ones a folder holds, and how their structures become one data set."""

import os
import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from torch_geometric.data import Data, InMemoryDataset

from fa_pyg.io.xyz.common_attributes import CommonAttributes

_NAME = re.compile(r"[^.].*\.(ext)?xyz(\.gz|\.bz2|\.xz)?", re.IGNORECASE)


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
        raise ValueError(
            f"{path}: found a folder without XYZ files, expected .xyz or .extxyz (.gz, .bz2, .xz)"
        )
    return files


def report(errors: list[ValueError], files: int, most: int = 20) -> str:
    """One message for all bad files."""
    head = f"{len(errors)} of {files} files are bad, {files - len(errors)} others were read"
    lines = [f"{head} (on_error='skip' leaves bad files out):", *(f"  {error}" for error in errors[:most])]
    return "\n".join(lines + [f"  and {len(errors) - most} more"] * (len(errors) > most))


def collate(structures: list[Data], asked: Collection[str] = ()) -> tuple[Data, dict[str, Any] | None]:
    """The storage of an in-memory data set; what structures differ in is left out unless `asked` for."""
    alike = CommonAttributes(structures, asked)
    alike.warn(stacklevel=4)
    structures = [alike.part(data) for data in structures] if alike.differ else structures
    try:
        return InMemoryDataset.collate(structures)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise ValueError(f"the structures cannot be stored together ({error})") from error
