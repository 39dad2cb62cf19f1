"""Tasks of trainings: step, data and command line of n-body systems, graphs and molecules."""

from __future__ import annotations

__all__: list[str] = []
