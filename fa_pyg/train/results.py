"""Results that were kept as JSON, so that no run is done twice."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any


def read_result(path: Path, kind: type = dict) -> Any | None:
    """What was kept there; None where there is nothing, or nothing of this kind, with a warning."""
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
        f"{path}: expected a {kind.__name__} in JSON, found {reason}; it is made again", stacklevel=3
    )
    return None
