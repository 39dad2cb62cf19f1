"""Switches in the environment of a process."""

from __future__ import annotations

import os
import warnings
from functools import cache

__all__ = ["is_off"]

OFF = ("0", "false", "no", "off")
ON = ("1", "true", "yes", "on", "")


def is_off(variable: str) -> bool:
    """Whether a variable of the environment says ``0``, ``false``, ``no`` or ``off``.

    ``1``, ``true``, ``yes``, ``on``, nothing and no variable mean on; so does any other word, with a warning,
    once: a typo is not to end what runs for days.
    """
    found = os.environ.get(variable, "")
    word = found.strip().lower()
    if word not in OFF + ON:
        _warn(variable, found)
    return word in OFF


@cache
def _warn(variable: str, found: str) -> None:
    expected = f"{', '.join(OFF)}, or {', '.join(ON[:-1])}"
    warnings.warn(f"{variable}: expected {expected}; found {found[:90]!r}, which counts as on", stacklevel=3)
