"""Loaders of mini-batches, from memory and from disk, whose order and position can be resumed."""

from __future__ import annotations

from fa_pyg.loader.in_memory import InMemoryLoader
from fa_pyg.loader.on_disk import OnDiskLoader

__all__ = ["InMemoryLoader", "OnDiskLoader"]
