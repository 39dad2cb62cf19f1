"""Format a structure as extended XYZ: the count, the comment line, the atom lines."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from typing import Any, NamedTuple
from urllib.parse import quote

import torch
from torch import Tensor
from torch_geometric.data import Data

from fa_pyg import checks
from fa_pyg.io.elements import SYMBOLS
from fa_pyg.io.xyz.attribute_names import FIXED, MATRICES, OF_ATOMS
from fa_pyg.io.xyz.header import LONGEST, RESERVED

__all__ = ["Style", "format_structure"]

#: Attributes of atoms by name: where a structure has a single atom, its shape does not tell.
ATOMIC = {*OF_ATOMS.values(), "forces", "velocities", "momenta", "charges", "masses", "mulliken"}
WRITTEN_APART = (*FIXED, "cell", "pbc")
POSITIONS_AND_ELEMENTS = ("species", "pos", "z")  # columns by these names, in any case of letters
_PLAIN = re.compile(r"[A-Za-z_][\w:.-]*")


class Style(NamedTuple):
    """The arguments of :func:`fa_pyg.io.xyz.write_xyz` that decide how a structure is formatted."""

    names: list[str] | None = None
    columns: Collection[str] | None = None
    digits: int | None = None
    source: bool = False


class _Column(NamedTuple):
    """A column of the atom lines: ``name:kind:width`` as in ``Properties``, and the text of each row."""

    label: str
    rows: list[str]


def format_structure(data: Data, style: Style) -> str:
    """Return the lines of a structure.

    Raises:
        ValueError: naming the structure and the attribute that extended XYZ cannot hold.
    """
    where = str(data.get("source", "structures"))
    symbols = _symbols(data, where)
    values = {name: _value(data, name, where) for name in _names(data, style)}
    values = {name: value for name, value in values.items() if not _is_absent(name, value)}
    atomic = [
        name
        for name, value in values.items()
        if _is_of_atoms(name, value, len(symbols), style.columns, where)
    ]
    columns = [
        _Column("species:S:1", symbols),
        _column("pos", data["pos"].reshape(len(symbols), -1), where, style.digits),
        *(_column(name, values.pop(name), where, style.digits) for name in atomic),
    ]
    entries = [_entry(name, value, where, style.digits) for name, value in values.items()]
    comment = _cell_and_columns(data, columns, where, style.digits) + entries
    if style.source:
        comment.append(f'source="{_in_one_line(where)}"')
    rows = (" ".join(words) for words in zip(*(column.rows for column in columns), strict=True))
    return "\n".join([str(len(symbols)), " ".join(comment), *rows]) + "\n"


def _symbols(data: Data, where: str) -> list[str]:
    z, pos = data.get("z"), data.get("pos")
    is_list = isinstance(z, Tensor) and z.dim() == 1 and len(z) > 0 and not z.is_floating_point()
    if not is_list or z.min() < 1 or z.max() >= len(SYMBOLS):
        checks.refuse(f"{where}: z", f"atomic numbers [N] from 1 to {len(SYMBOLS) - 1}, N at least 1", z)
    if not isinstance(pos, Tensor) or pos.shape != (len(z), 3) or not pos.is_floating_point():
        checks.refuse(f"{where}: pos", f"real numbers [{len(z)}, 3]", pos)
    return [f"{SYMBOLS[number]:2s}" for number in z.tolist()]


def _names(data: Data, style: Style) -> list[str]:
    names = style.names
    if names is None:
        names = [name for name in data._store if "edge" not in name and name != "bond_method"]
    return [name for name in names if name not in WRITTEN_APART]


def _value(data: Data, name: str, where: str) -> Any:
    """Return a tensor, text, or a list of words for each atom."""
    value = data.get(name)
    if isinstance(value, bool | int | float):
        return torch.tensor(value, dtype=torch.float64 if isinstance(value, float) else None)
    if not isinstance(value, Tensor | str | list) or (isinstance(value, Tensor) and value.is_complex()):
        checks.refuse(f"{where}: {name}", "a tensor, a number, text, or a list of words", value)
    return value


def _is_absent(name: str, value: Any) -> bool:
    """Whether this is the NaN of a data set in which only some structures have a stress."""
    return name in MATRICES and isinstance(value, Tensor) and bool(value.isnan().all())


def _is_of_atoms(name: str, value: Any, atoms: int, columns: Collection[str] | None, where: str) -> bool:
    has_rows = not isinstance(value, str) and (isinstance(value, list) or value.dim() > 0)
    fits = has_rows and len(value) == atoms
    if columns is None:
        return fits and (atoms > 1 or name in ATOMIC or isinstance(value, list))
    if name in columns and not fits:
        checks.refuse(f"{where}: {name}", f"a row for each of {atoms} atoms", value)
    return name in columns


def _column(name: str, value: Any, where: str, digits: int | None) -> _Column:
    if not name or ":" in name or (name.lower() in POSITIONS_AND_ELEMENTS and name != "pos"):
        expected = f"the name of a column: without ':', none of {', '.join(POSITIONS_AND_ELEMENTS)}"
        checks.refuse(f"{where}: {name}", expected, name)
    if isinstance(value, list):
        return _words_column(name, value, where)
    kind = "L" if value.dtype == torch.bool else "R" if value.is_floating_point() else "I"
    value = value.reshape(len(value), -1)
    words, width = _words(name, value, where, digits), value.size(1)
    if digits is not None and kind == "R":
        words = [word.rjust(digits + 8) for word in words]
    rows = [" ".join(words[i : i + width]) for i in range(0, len(words), width)]
    return _Column(f"{name}:{kind}:{width}", rows)


def _words_column(name: str, value: list[Any], where: str) -> _Column:
    rows = [row if isinstance(row, list) else [row] for row in value]
    words = [word for row in rows for word in row]
    good = all(isinstance(word, str) and word and not set(word) & set(" \t\n\r\0") for word in words)
    if not good or len(set(map(len, rows))) > 1:
        checks.refuse(f"{where}: {name}", "one word, or equally many words, for each atom", value)
    return _Column(f"{name}:S:{len(rows[0])}", [" ".join(row) for row in rows])


def _words(name: str, value: Tensor, where: str, digits: int | None) -> list[str]:
    """Return the text of each number or flag."""
    flat = value.detach().cpu().flatten()
    if not len(flat) or not flat.isfinite().all():
        checks.refuse(f"{where}: {name}", "finite numbers", value)
    if flat.dtype == torch.bool:
        return ["T" if flag else "F" for flag in flat.tolist()]
    if not flat.is_floating_point():
        return list(map(str, flat.tolist()))
    numbers = flat.double().tolist()
    return list(map(repr, numbers)) if digits is None else [f"{x:.{digits}f}" for x in numbers]


def _cell_and_columns(data: Data, columns: list[_Column], where: str, digits: int | None) -> list[str]:
    properties = ":".join(column.label for column in columns)
    entries = [f"Properties={_quoted(properties, where)}"]
    cell, pbc = data.get("cell"), data.get("pbc")
    if cell is None and pbc is not None and bool(pbc.any()):
        raise ValueError(f"{where}: pbc: expected a cell beside it, found none")
    if cell is None or pbc is None or not (bool(pbc.any()) or bool(cell.any())):
        return entries
    lattice = " ".join(_words("cell", cell, where, digits))
    flags = " ".join(_words("pbc", pbc.bool(), where, None))
    return [f'Lattice="{lattice}"', *entries, f'pbc="{flags}"']


def _entry(name: str, value: Any, where: str, digits: int | None) -> str:
    """Return ``key=value`` of the comment line."""
    if not 0 < len(name) <= LONGEST or name.lower() in RESERVED:
        checks.refuse(f"{where}: {name}", "a key of extended XYZ", name)
    key = _quoted(name, where)
    if isinstance(value, str):
        return f'{key}="{_escaped(value, where)}"'
    if isinstance(value, list):
        checks.refuse(f"{where}: {name}", "text, numbers, or a word for each atom", value)
    return f"{key}={_numbers(name, value, where, digits)}"


def _numbers(name: str, value: Tensor, where: str, digits: int | None) -> str:
    """Return the value of an entry; ``[1, ...]`` is one value of a structure."""
    value = value[0] if value.dim() and len(value) == 1 else value
    if name in MATRICES and value.shape == (3, 3):
        value = value.T.flatten()
    words = _words(name, value, where, digits)
    if value.dim() == 0:
        return words[0]
    if value.dim() == 1:
        return f'"{" ".join(words)}"' if len(words) > 1 else f"[{words[0]}]"
    width = value[0].numel()
    return "[" + ", ".join(f"[{', '.join(words[i : i + width])}]" for i in range(0, len(words), width)) + "]"


def _quoted(text: str, where: str) -> str:
    return text if _PLAIN.fullmatch(text) else f'"{_escaped(text, where)}"'


def _escaped(text: str, where: str) -> str:
    encodable = text == text.encode(errors="replace").decode()
    if not encodable or set(text) & set("\n\r\0"):
        checks.refuse(where, "names and text that fit one line of UTF-8", text)
    return re.sub(r"([\"'\\])", r"\\\1", text)


def _in_one_line(source: str) -> str:
    """Return a file and line as one line of UTF-8 without quotes, whatever the file is called."""
    return "".join(
        c if c.isprintable() and c not in '%"\\' else quote(os.fsencode(c), safe="") for c in source
    )
