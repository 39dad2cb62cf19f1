"""N-body benchmark: rows, runs, their record, tables and plots."""

from __future__ import annotations

__all__: list[str] = []
