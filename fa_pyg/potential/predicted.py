"""Predictions of a molecule as a structure of extended XYZ."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TextIO
from urllib.parse import quote

import torch
from torch import Tensor
from torch_geometric.data import Data

from fa_pyg.io.elements import SYMBOLS

__all__ = ["is_periodic", "write_structure"]


def write_structure(file: TextIO, data: Data, values: dict[str, Tensor], atomic: Sequence[str]) -> None:
    """Write one structure of extended XYZ; ``atomic`` names what goes to the columns."""
    columns = {"pos": data.pos, **{name: values[name] for name in atomic}}
    whole = {name: value for name, value in values.items() if name not in columns}
    columns = {name: value.reshape(len(data.z), -1) for name, value in columns.items()}
    layout = "".join(f":{name}:R:{value.size(1)}" for name, value in columns.items())
    entries = [f"Properties=species:S:1{layout}"]
    if is_periodic(data):
        flags = " ".join("T" if one else "F" for one in data.pbc.flatten().tolist())
        entries = [f'Lattice="{_numbers(data.cell)}"', *entries, f'pbc="{flags}"']
    for name, value in whole.items():
        text = _numbers(value)
        entries.append(f'{name}="{text}"' if " " in text else f"{name}={text}")
    entries.append(f'source="{_word(data.source)}"')
    table = torch.cat(list(columns.values()), dim=1).tolist()
    rows = (
        f"{SYMBOLS[z]:2s} {' '.join(f'{x:18.10f}' for x in row)}\n"
        for z, row in zip(data.z.tolist(), table, strict=True)
    )
    file.write(f"{len(data.z)}\n{' '.join(entries)}\n{''.join(rows)}")  # all of it or nothing


def _word(source: str) -> str:
    """A file and line as one line of UTF-8 without quotes, whatever the file is called."""
    return "".join(
        c if c.isprintable() and c not in '%"\\' else quote(os.fsencode(c), safe="") for c in source
    )


def _numbers(value: Tensor) -> str:
    return " ".join(f"{x:.10f}" for x in value.flatten().tolist())


def is_periodic(data: Data) -> bool:
    """Whether a molecule says that it repeats itself, even where it does not say how."""
    return "pbc" in data and bool(data.pbc.any())
