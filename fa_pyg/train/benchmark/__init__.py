"""Parts common to the benchmarks that train many rows: recipes, runs side by side, records, timing, pages."""

from __future__ import annotations

__all__: list[str] = []
