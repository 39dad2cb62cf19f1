"""Benchmark on point clouds: rows, runs, their evaluation, tables and pictures."""

from __future__ import annotations

__all__: list[str] = []
