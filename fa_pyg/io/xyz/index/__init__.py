"""An index of XYZ files that are larger than memory, stored on disk."""

from __future__ import annotations

from fa_pyg.io.xyz.index.cache import Index

__all__ = ["Index"]
