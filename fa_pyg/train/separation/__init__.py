"""Graph separation benchmark: rows, parts, tables and plots."""

from __future__ import annotations

__all__: list[str] = []
