"""ASE calculator of a trained potential (``fa_pyg/potential/calculator.py``)."""

from __future__ import annotations

from typing import Any

from fa_pyg.potential import calculator

__all__ = ["FACalculator"]

FACalculator: type  # see __getattr__


def __getattr__(name: str) -> Any:
    return getattr(calculator, name)  # which loads ASE for the class
