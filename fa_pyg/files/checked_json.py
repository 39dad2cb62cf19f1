"""Small JSON files of caches with a digest: what was changed or cut off is not believed."""

import hashlib
import json
import stat
import warnings
from pathlib import Path
from typing import Any

from fa_pyg.files import write_atomically

SEAL = "sha256"


class DamagedFile(ValueError):
    """A file of a cache that does not check out: `path` and what was `found`."""

    def __init__(self, path: Path, found: str) -> None:
        super().__init__(f"{path}: found {found}")
        self.path, self.found = path, found

    def warn(self, stacklevel: int = 2) -> None:
        """Names the file that is made again."""
        warnings.warn(f"{self}, expected what was written there; it is made again", stacklevel=stacklevel + 1)


def write_checked_json(path: Path, content: dict[str, Any]) -> None:
    """Writes a JSON file at once; a link in its place is replaced, not followed."""
    write_atomically(path, json.dumps({**content, SEAL: _digest(content)}), follow_links=False)


def read_checked_json(path: Path) -> dict[str, Any] | None:
    """What :func:`write_checked_json` wrote there, None where there is no file. Raises :class:`DamagedFile`."""
    try:
        if not is_regular_file(path):
            raise DamagedFile(path, "a link or a folder")
        found = json.loads(path.read_bytes())
        seal = found.pop(SEAL, None) if isinstance(found, dict) else None
        if seal != _digest(found):
            raise DamagedFile(path, "a file of another version, or one that was changed")
        return found
    except FileNotFoundError:
        return None
    except DamagedFile:
        raise
    except OSError as error:
        raise DamagedFile(path, f"an unreadable file ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise DamagedFile(path, "no JSON") from error


def is_regular_file(path: Path) -> bool:
    """Whether it is a plain file. Raises FileNotFoundError where there is none."""
    return stat.S_ISREG(path.lstat().st_mode)


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
