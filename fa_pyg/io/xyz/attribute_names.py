"""Names of attributes that a file may bring: those that PyG or Python would misread are changed."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from torch_geometric.data import Batch, Data
from torch_geometric.data.storage import GlobalStorage

FIXED = ("z", "pos", "num_nodes", "comment", "source")  # names that every structure has
#: Quantities of a structure, and what the same quantity of its atoms is called.
OF_ATOMS = {
    "energy": "energies",
    "free_energy": "free_energies",
    "stress": "stresses",
    "virial": "virials",
    "dipole": "dipoles",
    "magmom": "magmoms",
}
_ANYONES = ("x", "y", "time")  # attributes that `Data` has and that are for anyone's use
# PyG takes the number of nodes from these, that of edges from `e_id`, makes `ptr`, reads `adj` as a matrix;
# constructors have a `self`.
_NODES = ("x", "feat", "node_type", "n_id", "tf")
_TAKEN = {*FIXED, "cell", "pbc", "ptr", "adj", "adj_t", "e_id", "self", "bond_method"}
# PyG adds numbers of nodes to what is called "index", counts "batch", takes the number of edges from "edge".
_PARTS = {"index": "idx", "batch": "group", "edge": "bond"}


def renamed(names: Iterable[str], of_atoms: bool, taken: Iterable[str] = ()) -> dict[str, str]:
    """The attribute of each name of a file, where `taken` are not to be had; names that are safe stay."""
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
    """A name to which PyG gives no meaning."""
    name = OF_ATOMS.get(name, name) if of_atoms else name
    name = name.lstrip("_") or "value"
    for part, other in _PARTS.items():
        name = name.replace(part, other)
    while _has_meaning(name) or (name in _NODES and not of_atoms):
        name += "_"
    return name


@lru_cache(4096)
def _has_meaning(name: str) -> bool:
    return name in _TAKEN or (
        name not in _ANYONES and any(hasattr(owner, name) for owner in (Data, Batch, GlobalStorage))
    )


def is_free(name: Any, of_atoms: bool = True) -> bool:
    """Whether a user may call an attribute so: an identifier that would not be renamed."""
    return (
        isinstance(name, str) and name.isidentifier() and (name in OF_ATOMS or _safe(name, of_atoms) == name)
    )


def check_free(columns: Mapping[str, int]) -> None:
    """Refuses names and widths of columns that cannot be attributes."""
    for name, width in columns.items():
        if not is_free(name) or isinstance(width, bool) or not isinstance(width, int) or width < 1:
            raise ValueError(f"columns: found {name!r}: {width!r}, expected a free name and its width")
