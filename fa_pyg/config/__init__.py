"""Configuration files as plain data, checked against an allowlist, and the objects that they describe."""

from __future__ import annotations

__all__: list[str] = []
