"""Copies of the batch of a call in several frames, by PyG's naming rules."""

from typing import Any

from fa_pyg import batches, calls
from fa_pyg.copies.copies import Copies, Slots

__all__ = ["Copies", "Slots"]


def __getattr__(name: str) -> Any:
    """Names that this package exported before ``calls`` and ``batches`` were apart from it."""
    for home in (calls, batches):
        if name in home.__all__:
            return getattr(home, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
