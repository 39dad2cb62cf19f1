"""Checkpoints in the folders of runs. No torch needed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

__all__ = ["check_file", "find_run", "missing", "versions"]

MOST = 10  # runs that an error names


def find_run(path: str | Path) -> Path:
    """Return the checkpoint of a path: itself, or ``best.ckpt`` in the folder of a run.

    Raises:
        ValueError: naming the file, if it does not exist, and what is there instead: other checkpoints of a
            run that was not validated yet, or the runs in a folder above them.
    """
    found = Path(path) / "best.ckpt" if Path(path).is_dir() else Path(path)
    check_file(found, "a checkpoint")
    return found


def check_file(path: Path, expected: str) -> None:
    """Refuse a file of a run that does not exist.

    Raises:
        ValueError: as :func:`find_run`.
    """
    if path.is_file():
        return
    hint = ""
    if path.suffix == ".ckpt":
        others = [name for name in ("final.ckpt", "last.ckpt") if (path.parent / name).is_file()]
        hint = f"; the run was not validated yet, but has {others[0]}" if others else _above(path.parent)
    raise ValueError(f"{path}: found no such file, expected {expected}{hint}")


def _above(folder: Path) -> str:
    """Hint at the runs below a folder."""
    found = [str(one) for one in versions(folder)]
    more = f", ... ({len(found)} in all)" if len(found) > MOST else ""
    return f"; {folder} is a folder above runs: {', '.join(found[:MOST])}{more}" if found else ""


def versions(folder: Path) -> list[Path]:
    """Return the folders of runs in a folder, or one below, the newest version first."""
    found = [one for pattern in ("version_*", "*/version_*") for one in folder.glob(pattern) if one.is_dir()]
    return sorted(found, key=lambda one: (one.parent, -_number(one)))


def _number(folder: Path) -> int:
    number = folder.name.removeprefix("version_")
    return int(number) if number.isdecimal() else -1


def missing(files: Iterable[str | Path]) -> list[str | Path]:
    """Return the files that do not exist."""
    return [one for one in files if not _exists(Path(one))]


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that is too long
        return False
