"""Heads: predictions read from the features of atoms, with their representation and level."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from fa_pyg import checks
from fa_pyg.math.linalg import mean, scatter_sum

__all__ = ["HEADS", "Head", "check_heads", "check_names", "checked_heads"]

Read = Callable[[Tensor, "Tensor | None"], Tensor]


@dataclass(frozen=True)
class Head:
    """Rule by which a network's output for each atom becomes a prediction.

    Attributes:
        rep: representation of the prediction, ``"scalar"``, ``"vector"`` or ``"tensor"``.
        channels: numbers that the network returns for each atom.
        read: turns them, and the atom's position relative to the centroid (None where it is unknown), into
            the contribution of the atom.
        reduce: from atoms to molecules, ``"sum"`` or ``"mean"``; None for predictions of atoms.
    """

    rep: str
    channels: int
    read: Read
    reduce: Literal["sum", "mean"] | None

    @classmethod
    def of(cls, spec: str) -> Head:
        """Return the head of a name in ``HEADS``.

        Raises:
            ValueError: for another name.
        """
        return HEADS[checks.one_of("heads", spec, HEADS)]

    @property
    def level(self) -> Literal["node", "graph"]:
        """Whether the prediction has a row for each atom or for each molecule."""
        return "node" if self.reduce is None else "graph"

    @property
    def has_reference(self) -> bool:
        """Whether the prediction is a number of the molecule, of which atoms can contribute a part."""
        return self.rep == "scalar" and self.level == "graph"

    def __call__(self, y: Tensor, x: Tensor | None, batch: Tensor | None, size: int) -> Tensor:
        parts = self.read(y, x)
        return parts if self.reduce is None else _REDUCE[self.reduce](parts, batch, size)


# Names that mean something else in extended XYZ, where predictions are written, or in a batch.
RESERVED = {"z", "pos", "batch", "ptr", "cell", "pbc", "lattice", "properties", "species", "source"}


def check_names(names: Iterable[str]) -> None:
    """Refuse names of predictions that are reserved in files, in batches or in modules.

    Raises:
        ValueError: naming the name.
    """
    for name in names:
        checks.instance("heads", name, str, "names of predictions")
        is_free = name.lower() not in RESERVED and not hasattr(torch.nn.ModuleDict(), name)
        if not re.fullmatch(r"[\w+-]+", name) or not is_free:
            checks.refuse("heads", "names of predictions: words that mean nothing else", name)


def check_heads(heads: Mapping[str, str] | None) -> None:
    """Refuse anything but a mapping from names of predictions to names in ``HEADS``.

    Raises:
        ValueError: naming the entry.
    """
    checks.instance("heads", heads, Mapping, 'a dict such as {"energy": "scalar"}', optional=True)
    if heads is not None and not heads:
        checks.refuse("heads", "one prediction or more, or None", heads)
    check_names(heads or ())
    for name, spec in (heads or {}).items():
        checks.one_of(f"heads[{name!r}]", spec, HEADS)


def _scalar(y: Tensor, x: Tensor | None) -> Tensor:
    return y.squeeze(-1)


def _vector(y: Tensor, x: Tensor | None) -> Tensor:
    return y


def _dipole(y: Tensor, x: Tensor | None) -> Tensor:
    """Dipole, and charge at the position of the atom."""
    return y[:, :3] if x is None else y[:, :3] + y[:, 3:] * x


def _quadrupole(y: Tensor, x: Tensor | None) -> Tensor:
    """Quadrupole, and dipole and charge at the position of the atom; symmetric."""
    tensor, vector, charge = y[:, _SYMMETRIC].view(-1, 3, 3), y[:, 6:9], y[:, 9:, None]
    if x is None:
        return tensor
    product = (vector.unsqueeze(2) + charge * x.unsqueeze(2)) * x.unsqueeze(1)
    return tensor + product + product.mT


def _sum(y: Tensor, batch: Tensor | None, size: int) -> Tensor:
    return y.sum(0, keepdim=True) if batch is None else scatter_sum(y, batch, size)


def _mean(y: Tensor, batch: Tensor | None, size: int) -> Tensor:
    return mean(y.unsqueeze(-1), batch, size).squeeze(-1)


_SYMMETRIC = torch.tensor([0, 1, 2, 1, 3, 4, 2, 4, 5])
_REDUCE = {"sum": _sum, "mean": _mean}

HEADS = {
    "scalar": Head("scalar", 1, _scalar, "sum"),
    "mean": Head("scalar", 1, _scalar, "mean"),
    "vector": Head("vector", 4, _dipole, "sum"),
    "tensor": Head("tensor", 10, _quadrupole, "sum"),
    "node scalar": Head("scalar", 1, _scalar, None),
    "node vector": Head("vector", 3, _vector, None),
}


def checked_heads(model: nn.Module, heads: Mapping[str, str] | None, gradient: bool) -> dict[str, str]:
    """Return the names of the predictions and of their heads, by default those of the network."""
    check_heads(heads)
    checks.flag("gradient", gradient)
    named = dict(heads or getattr(model, "head_names", None) or {"energy": "scalar"})
    check_names(named)
    for name, spec in named.items():
        checks.one_of(f"heads[{name!r}]", spec, HEADS)
    if gradient and "forces" in named:
        raise ValueError("gradient: expected False where a head gives the forces, found True")
    if gradient and named.get("energy") != "scalar":
        raise ValueError(f"gradient: expected a scalar head 'energy', found {named}")
    return named
