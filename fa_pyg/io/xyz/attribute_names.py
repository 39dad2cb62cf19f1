"""Names of attributes from files: those that PyG or Python would misread are changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from torch_geometric.data import Batch, Data
from torch_geometric.data.storage import N_KEYS, GlobalStorage

from fa_pyg import checks

__all__ = ["FIXED", "MATRICES", "OF_ATOMS", "check_free", "is_free", "rename"]

FIXED = ("z", "pos", "num_nodes", "comment", "source")  # attributes of every structure
MATRICES = ("stress", "virial")  # six or nine numbers are a matrix
#: Quantities of a structure, and the names of the same quantities of its atoms.
OF_ATOMS = {
    "energy": "energies",
    "free_energy": "free_energies",
    "stress": "stresses",
    "virial": "virials",
    "dipole": "dipoles",
    "magmom": "magmoms",
}
_USABLE = ("x", "y", "time")  # attributes of `Data` that users may set
# PyG counts edges by `e_id`, creates `ptr`, treats `adj` as a matrix; constructors have a `self`.
_TAKEN = {*FIXED, "cell", "pbc", "ptr", "adj", "adj_t", "e_id", "self", "bond_method"}
# PyG increments "index" by the number of nodes, counts "batch", reads the number of edges from "edge".
_PARTS = {"index": "idx", "batch": "group", "edge": "bond"}


def rename(names: Iterable[str], of_atoms: bool, taken: Iterable[str] = ()) -> dict[str, str]:
    """Return the attribute for each name of a file; safe names stay, ``taken`` are not used."""
    taken, found = set(taken), {}
    for name in sorted(names := list(names), key=lambda name: _safe(name, of_atoms) != name):
        safe = _safe(name, of_atoms)
        while safe in taken:
            safe += "_"
        taken.add(safe)
        found[name] = safe
    return {name: found[name] for name in names}


@lru_cache(4096)
def _safe(name: str, of_atoms: bool) -> str:
    """Return a name without a meaning to PyG."""
    name = OF_ATOMS.get(name, name) if of_atoms else name
    name = name.lstrip("_") or "value"
    for part, other in _PARTS.items():
        name = name.replace(part, other)
    while _has_meaning(name) or (name in N_KEYS and not of_atoms):
        name += "_"
    return name


@lru_cache(4096)
def _has_meaning(name: str) -> bool:
    return name in _TAKEN or (
        name not in _USABLE and any(hasattr(owner, name) for owner in (Data, Batch, GlobalStorage))
    )


def is_free(name: Any, of_atoms: bool = True) -> bool:
    """Return whether a user may choose this name: an identifier that would not be renamed."""
    return (
        isinstance(name, str) and name.isidentifier() and (name in OF_ATOMS or _safe(name, of_atoms) == name)
    )


def check_free(columns: Mapping[str, int]) -> None:
    """Raise ValueError for names and widths of columns that cannot be attributes."""
    for name, width in columns.items():
        if not is_free(name) or not checks.is_integer(width, 1):
            raise ValueError(f"columns: expected a free name and its width, found {name!r}: {width!r}")
