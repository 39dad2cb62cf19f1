"""Import of e3nn, for spherical harmonics and coupling coefficients."""

from __future__ import annotations

from types import ModuleType

__all__ = ["import_o3"]


def import_o3(model: str) -> ModuleType:
    """Return ``e3nn.o3``.

    Raises:
        ImportError: without e3nn, in the name of the model that needs it.
    """
    try:
        from e3nn import o3
    except ImportError as error:
        hint = "pip install 'fa_pyg[chem]'"
        raise ImportError(
            f"{model}: expected e3nn, found none; install it with {hint}", name="e3nn"
        ) from error
    return o3
