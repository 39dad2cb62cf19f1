"""Import of e3nn, for spherical harmonics and coupling coefficients."""

from __future__ import annotations

from types import ModuleType

from fa_pyg import checks

__all__ = ["import_o3"]


def import_o3(model: str) -> ModuleType:
    """Return ``e3nn.o3``.

    Raises:
        ImportError: without e3nn, in the name of the model that needs it.
    """
    with checks.from_extra(model, "chem"):
        from e3nn import o3
    return o3
