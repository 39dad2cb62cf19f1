"""Families of parts: functions ``f(cad, draw)`` that return a solid; ``cad`` is the module ``build123d``.

Parts of tables come from ``bd_warehouse``, the others are drawn at random. None needs the kernel before it is
called. A new family is a function in one of these modules, listed in its ``__all__``.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from fa_pyg.cad.draw import Draw

__all__ = ["MODULES", "Family", "load_families"]

Family = Callable[[Any, Draw], Any]
"""Function that builds a part of a family from a source of random dimensions."""
MODULES = ("fasteners", "transmission", "piping", "rails", "extruded", "revolved", "combined", "swept")
"""Modules of this package that hold families."""


def load_families() -> dict[str, Family]:
    """Return all families by name, in a fixed order."""
    modules = [import_module(f"{__name__}.{name}") for name in MODULES]
    return {name: getattr(module, name) for module in modules for name in module.__all__}
