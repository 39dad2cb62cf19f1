"""Extended XYZ through ASE: cell, periodicity, energy, forces, and whatever else a file names."""

import json
from io import StringIO
from typing import Any

import numpy as np
import torch
from torch_geometric.data import Data

from fa_pyg.datasets._xyz_blocks import Block, Text
from fa_pyg.datasets._xyz_grammar import show

_PER_ATOM_RESULTS = {"forces", "stresses", "charges", "magmoms", "energies"}
_RESERVED = {"ptr", "comment", "source", "bond_method"}


def extended_values(
    text: Text, block: Block, dtype: torch.dtype, limit: float
) -> tuple[dict[str, Any], set[str]]:
    """Everything one extended XYZ structure holds, by name; and the names of what belongs to no atom."""
    properties = _properties(text, block)
    try:
        atoms = _read(block.comment, text.rows[block.first : block.stop])
        values, per_graph = _values(atoms, dtype)
    except Exception as error:  # whatever another parser makes of a broken file
        raise _bad_row(text, block, properties, error) from error
    good = np.isin(atoms.numbers, range(1, 119)) & (np.abs(atoms.positions) <= limit).all(1)
    if not good.all():
        raise text.error(block.first + int(good.argmin()), "a known element and finite coordinates")
    return values, per_graph


def _read(comment: bytes, rows: list[bytes]) -> Any:
    from ase.io.extxyz import read_xyz

    lines = [b"%d" % len(rows), comment, *rows]
    return next(read_xyz(StringIO(b"\n".join(lines).decode(errors="replace")), index=0))


def _properties(text: Text, block: Block) -> str:
    """The columns the comment declares, checked: they must be there, and hold an element and a position.

    Without this, ASE puts all atoms at the origin where no column is the position, and fills the memory where
    a column claims to be very wide.
    """
    from ase.io.extxyz import key_val_str_to_dict

    try:
        info = key_val_str_to_dict(block.comment.decode(errors="replace"))
        properties = info.get("Properties", "species:S:1:pos:R:3")
        names, kinds, widths = (properties.split(":")[i::3] for i in range(3))
        declared = [f"{name}:{kind}:{int(w)}" for name, kind, w in zip(names, kinds, widths, strict=True)]
    except Exception as error:
        raise text.error(block.start + 1, f"a comment of extended XYZ (ASE: {_words(error)})") from error
    columns = len(text.rows[block.first].split())
    if not all(1 <= int(width) <= columns for width in widths):
        raise text.error(block.start + 1, f"Properties that fit the {columns} columns of the first atom")
    if "pos:R:3" not in declared or not {"species:S:1", "Z:I:1"} & set(declared):
        raise text.error(block.start + 1, "Properties with pos:R:3 and species:S:1 or Z:I:1")
    return properties


def _bad_row(text: Text, block: Block, properties: str, error: Exception) -> ValueError:
    comment = f"Properties={properties}".encode()
    for index in range(block.first, block.stop):
        if reason := _trouble(comment, text.rows[index]):
            return text.error(index, f"an atom line as the comment's Properties describe it (ASE: {reason})")
    return text.error(block.start + 1, f"a comment that fits the atoms (ASE: {_words(error)})")


def _trouble(comment: bytes, row: bytes) -> str:
    try:
        _read(comment, [row])
    except Exception as error:
        return _words(error)
    return ""


def _words(error: Exception) -> str:
    return show(str(error).encode())


def _values(atoms: Any, dtype: torch.dtype) -> tuple[dict[str, Any], set[str]]:
    per_graph = {"cell", "pbc"}
    values = {
        "z": torch.from_numpy(atoms.numbers).long(),
        "pos": torch.from_numpy(atoms.positions).to(dtype),
        "cell": torch.from_numpy(atoms.cell.array).to(dtype)[None],
        "pbc": torch.from_numpy(atoms.pbc)[None],
    }
    arrays = {k: v for k, v in atoms.arrays.items() if k not in ("numbers", "positions")}
    for name, array in {**arrays, **_constraints(atoms)}.items():
        values[_key(name, values)] = _per_atom(array, dtype)
    for name, value in {**atoms.info, **_results(atoms)}.items():
        per_atom = name in _PER_ATOM_RESULTS and len(np.atleast_1d(value)) == len(atoms)
        key = _key(name, values)
        values[key] = (_per_atom if per_atom else _per_graph)(value, dtype)
        per_graph |= set() if per_atom else {key}
    return values, per_graph


def _results(atoms: Any) -> dict[str, Any]:
    from ase.stress import voigt_6_to_full_3x3_stress

    results = dict(atoms.calc.results) if atoms.calc is not None else {}
    if np.shape(results.get("stress")) == (6,):
        results["stress"] = voigt_6_to_full_3x3_stress(results["stress"])
    return results


def _constraints(atoms: Any) -> dict[str, np.ndarray]:
    """ASE turns a `move_mask` column into constraints; this turns them back."""
    if not atoms.constraints:
        return {}
    mask = np.ones((len(atoms), 3), dtype=bool)
    for constraint in atoms.constraints:
        mask[constraint.index] = ~np.broadcast_to(getattr(constraint, "mask", True), 3)
    return {"move_mask": mask}


def _key(name: str, taken: dict[str, Any]) -> str:
    """A name that is free, and to which neither `Data` nor the collation of batches gives a meaning."""
    name = name.lstrip("_").replace("index", "idx").replace("batch", "group") or "value"
    while name in taken or name in _RESERVED or (hasattr(Data, name) and name not in ("x", "y", "time")):
        name += "_"
    return name


def _per_atom(value: Any, dtype: torch.dtype) -> Any:
    array = np.asarray(value)
    return _tensor(array, dtype) if array.dtype.kind in "biuf" else array.astype(str).tolist()


def _per_graph(value: Any, dtype: torch.dtype) -> Any:
    array = np.asarray(value)
    if array.dtype.kind in "biuf":
        return _tensor(array[None], dtype)
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _tensor(array: np.ndarray, dtype: torch.dtype) -> torch.Tensor:
    kinds = {"f": dtype, "b": torch.bool}
    return torch.as_tensor(np.ascontiguousarray(array)).to(kinds.get(array.dtype.kind, torch.int64))
