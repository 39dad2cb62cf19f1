"""Small cases of everything that the package does, by public names only, for ``benchmarks/hashes.py``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["Cases"]

Cases = Iterator[tuple[str, Callable[[], Any]]]  # a name, and what is computed under it
