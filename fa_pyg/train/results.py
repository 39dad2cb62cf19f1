"""Results of finished runs in JSON files."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

__all__ = ["read_result"]


def read_result(path: Path, kind: type = dict) -> Any | None:
    """Return the content of a JSON file; None without a file, or with a warning if it is of another kind."""
    try:
        found = json.loads(path.read_bytes())
        if isinstance(found, kind):
            return found
        reason = f"a {type(found).__name__}"
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        reason = str(error)
    warnings.warn(
        f"{path}: expected a {kind.__name__} in JSON, found {reason}; it is computed again", stacklevel=3
    )
    return None
