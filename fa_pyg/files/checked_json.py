"""Small JSON files of caches with a digest, which reveals changed and truncated files."""

from __future__ import annotations

import hashlib
import json
import stat
import warnings
from pathlib import Path
from typing import Any

from fa_pyg.files import write_atomically

__all__ = ["DamagedFile", "is_regular_file", "read_checked_json", "write_checked_json"]

DIGEST = "sha256"  # key of the digest


class DamagedFile(ValueError):
    """A file of a cache that was damaged or changed: ``path`` and what was ``found``."""

    def __init__(self, path: Path, found: str) -> None:
        super().__init__(f"{path}: expected a file as it was written, found {found}")
        self.path, self.found = path, found

    def warn(self, stacklevel: int = 2) -> None:
        """Warn that the file is made again."""
        warnings.warn(f"{self}; it is made again", stacklevel=stacklevel + 1)


def write_checked_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON file atomically, with a digest; a link in its place is replaced, not followed."""
    write_atomically(path, json.dumps({**content, DIGEST: _digest(content)}), follow_links=False)


def read_checked_json(path: Path) -> dict[str, Any] | None:
    """Return the content that :func:`write_checked_json` wrote, None where there is no file.

    Raises:
        DamagedFile: where the file is another.
    """
    try:
        if not is_regular_file(path):
            raise DamagedFile(path, "a link or a folder")
        found = json.loads(path.read_bytes())
        digest = found.pop(DIGEST, None) if isinstance(found, dict) else None
        if digest != _digest(found):
            raise DamagedFile(path, "a file of another version, or one that was changed")
        return found
    except FileNotFoundError:
        return None
    except DamagedFile:
        raise
    except OSError as error:
        raise DamagedFile(path, f"an unreadable file ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise DamagedFile(path, "something else than JSON") from error


def is_regular_file(path: Path) -> bool:
    """Return whether a path is a regular file, not a link.

    Raises:
        FileNotFoundError: where nothing is there.
    """
    return stat.S_ISREG(path.lstat().st_mode)


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
