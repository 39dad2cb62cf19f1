"""Find the XYZ files of folders, and report the bad ones."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

__all__ = ["Files", "find_files", "report"]

Files = str | os.PathLike | Iterable[str | os.PathLike]

_NAME = re.compile(r"[^.].*\.(ext)?xyz(\.gz|\.bz2|\.xz)?", re.IGNORECASE)


def find_files(root_or_files: Files) -> list[Path]:
    """Return files as they are, and the XYZ files of folders, sorted.

    Files are ``.xyz`` or ``.extxyz``, also with ``.gz``, ``.bz2`` or ``.xz``, in subfolders too, not hidden.

    Args:
        root_or_files: A file, a folder, or several of them.

    Raises:
        ValueError: for an empty list, and for a folder without XYZ files.
    """
    single = isinstance(root_or_files, str | os.PathLike)
    files = [file for path in ([root_or_files] if single else root_or_files) for file in _expand(Path(path))]
    if not files:
        raise ValueError("root_or_files: expected at least one file, found an empty list")
    return files


def _expand(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(p for p in path.rglob("*") if _NAME.fullmatch(p.name) and p.is_file())
    if not files:
        raise ValueError(
            f"{path}: expected .xyz or .extxyz files (.gz, .bz2, .xz), found none in this folder"
        )
    return files


def report(errors: list[ValueError], files: int, most: int = 20) -> str:
    """Return one message for all bad files."""
    head = f"{len(errors)} of {files} files are bad, {files - len(errors)} others were read"
    lines = [f"{head} (on_error='skip' leaves bad files out):", *(f"  {error}" for error in errors[:most])]
    return "\n".join(lines + [f"  and {len(errors) - most} more"] * (len(errors) > most))
