"""Families of parts: functions ``f(cad, draw)`` that return a solid; ``cad`` is the module ``build123d``.

Parts of tables come from ``bd_warehouse``, the others are drawn at random. Registered by name in ``FAMILIES``,
which is complete after :func:`load_families`. None needs the kernel before it is called.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from fa_pyg.cad.draw import Draw

__all__ = ["FAMILIES", "MODULES", "Family", "family", "load_families"]

Family = Callable[[Any, Draw], Any]
FAMILIES: dict[str, Family] = {}
MODULES = ("fasteners", "transmission", "piping", "rails", "extruded", "revolved", "combined", "swept")


def family(function: Family) -> Family:
    """Register a family by the name of its function."""
    FAMILIES[function.__name__] = function
    return function


def load_families() -> dict[str, Family]:
    """Return all families by name, in a fixed order."""
    for module in MODULES:
        import_module(f"{__name__}.{module}")
    return FAMILIES
