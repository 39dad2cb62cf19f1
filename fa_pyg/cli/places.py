"""Places of configurations, data and runs, in a checkout or with an installed wheel."""

from __future__ import annotations

from pathlib import Path

__all__ = ["FOLDERS", "base", "checkout", "configs", "need_checkout"]

PACKAGE = Path(__file__).resolve().parents[1]
# Task of `fa-pyg train` -> its folder of configurations.
FOLDERS = {
    "nbody": "nbody",
    "graphs": "separation",
    "molecules": "molecules",
    "normals": "normals",
    "shapes": "normals",
}


def checkout() -> Path | None:
    """Return the root of the checkout that this package is in, None for an installed one."""
    root = PACKAGE.parent
    is_root = (root / "pyproject.toml").is_file() and (root / "configs").is_dir()
    return root if is_root else None


def configs() -> Path:
    """Return the folder of all configurations."""
    packaged = PACKAGE / "configs"
    return packaged if packaged.is_dir() else PACKAGE.parent / "configs"


def base() -> Path:
    """Return the folder in which ``data`` and ``runs`` are: the checkout, or the working directory."""
    return checkout() or Path()


def need_checkout(option: str) -> Path:
    """Return the root of the checkout.

    Raises:
        ValueError: naming the option, for an installed package.
    """
    root = checkout()
    if root is None:
        raise ValueError(f"{option}: expected a checkout of the project, found the package in {PACKAGE}")
    return root
