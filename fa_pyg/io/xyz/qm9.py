"""QM9's raw files (Ramakrishnan et al. 2014): properties, frequencies, SMILES and InChI."""

from __future__ import annotations

import re

import torch
from torch import Tensor

from fa_pyg.io.xyz.blocks import QM9
from fa_pyg.io.xyz.grammar import NUMBER, floats
from fa_pyg.io.xyz.lines import Block, Text

__all__ = ["QM9_TARGETS", "qm9_values"]

HARTREE = 27.211386245988  # eV, CODATA 2018

#: Properties of QM9 in the order of the file: unit in PyG data, and the factor from the unit of the file.
QM9_TARGETS: dict[str, tuple[str, float]] = {
    "A": ("GHz", 1.0),
    "B": ("GHz", 1.0),
    "C": ("GHz", 1.0),
    "mu": ("D", 1.0),
    "alpha": ("a_0^3", 1.0),
    "homo": ("eV", HARTREE),
    "lumo": ("eV", HARTREE),
    "gap": ("eV", HARTREE),
    "r2": ("a_0^2", 1.0),
    "zpve": ("eV", HARTREE),
    "U0": ("eV", HARTREE),
    "U": ("eV", HARTREE),
    "H": ("eV", HARTREE),
    "G": ("eV", HARTREE),
    "Cv": ("cal/(mol K)", 1.0),
}

_NUMBERS = re.compile(rb"[ \t]*" + NUMBER + rb"(?:[ \t]+" + NUMBER + rb")*[ \t]*")


def qm9_values(text: Text, block: Block, dtype: torch.dtype, limit: float) -> dict[str, Tensor | str]:
    """Return the properties, and the values of the three lines after the atoms.

    Raises:
        XYZError: naming the line that is malformed.
    """
    line = QM9.fullmatch(block.comment)
    if line is None:
        raise text.error(block.start + 1, "the line of a QM9 file")
    index, properties = line.groups()
    values = torch.tensor(floats(properties.split()), dtype=torch.float64)
    if not (values.abs() * HARTREE <= limit).all():
        raise text.error(block.start + 1, "finite properties")
    factors = torch.tensor([factor for _, factor in QM9_TARGETS.values()], dtype=torch.float64)
    targets = dict(zip(QM9_TARGETS, (values * factors).to(dtype)[:, None].unbind(), strict=True))
    freq = _frequencies(text, block, dtype, limit)
    smiles, smiles_relaxed = _pair(text, block.stop + 1, "SMILES")
    inchi, inchi_relaxed = _pair(text, block.stop + 2, "InChI")
    return {
        "idx": torch.tensor([int(index)]),
        **targets,
        "freq": freq,
        "smiles": smiles,
        "smiles_relaxed": smiles_relaxed,
        "inchi": inchi,
        "inchi_relaxed": inchi_relaxed,
    }


def _frequencies(text: Text, block: Block, dtype: torch.dtype, limit: float) -> Tensor:
    count = block.stop - block.first
    expected = f"{3 * count - 6} frequencies ({3 * count - 5} if the molecule is linear)"
    row = text.rows[block.stop] if block.stop < len(text.rows) else b""
    values = floats(row.split()) if _NUMBERS.fullmatch(row) else []
    if len(values) not in (3 * count - 6, 3 * count - 5) or max(map(abs, values)) > limit:
        raise text.error(block.stop, expected)
    return torch.tensor(values, dtype=dtype)


def _pair(text: Text, index: int, kind: str) -> list[str]:
    """Return two SMILES or two InChI, which start with ``InChI=``."""
    row = text.rows[index] if index < len(text.rows) else b""
    names = row.decode("ascii", errors="replace").split()
    if len(names) != 2 or any(name.startswith("InChI=") != (kind == "InChI") for name in names):
        raise text.error(index, f"two {kind} strings")
    return names
