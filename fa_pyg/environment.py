"""Switches in the environment of a process."""

from __future__ import annotations

import os

__all__ = ["is_off"]


def is_off(variable: str) -> bool:
    """Whether a variable of the environment says ``0``, ``false``, ``no`` or ``off``."""
    return os.environ.get(variable, "").strip().lower() in ("0", "false", "no", "off")
