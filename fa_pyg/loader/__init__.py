"""Loaders of mini-batches, from memory and from disk."""

from fa_pyg.loader.in_memory import InMemoryLoader
from fa_pyg.loader.on_disk import OnDiskLoader

__all__ = ["InMemoryLoader", "OnDiskLoader"]
