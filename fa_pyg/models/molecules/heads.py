"""What is read from the features of atoms: numbers, vectors and tensors of atoms and of molecules."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from fa_pyg import checks
from fa_pyg.math.linalg import mean, scatter_sum

__all__ = ["HEADS", "Head", "check_heads", "check_names"]

Read = Callable[[Tensor, "Tensor | None"], Tensor]
Reduce = Callable[[Tensor, "Tensor | None", int], Tensor]


@dataclass(frozen=True)
class Head:
    """How a prediction is made of what a network says of each atom.

    Attributes:
        channels: numbers the network says of an atom.
        read: makes an atom's part of them and of its place relative to the centroid, None where unknown.
        reduce: from atoms to molecules, ``(parts [N, ...], batch, size)``; None for what atoms have.
    """

    channels: int
    read: Read
    reduce: Reduce | None

    @classmethod
    def of(cls, spec: str) -> Head:
        """The head of a name in ``HEADS``; raises ValueError for another."""
        return HEADS[checks.one_of("heads", spec, HEADS)]

    def __call__(self, y: Tensor, x: Tensor | None, batch: Tensor | None, size: int) -> Tensor:
        parts = self.read(y, x)
        return parts if self.reduce is None else self.reduce(parts, batch, size)


# What a structure of extended XYZ, where predictions are written, and a batch call otherwise.
TAKEN = {"z", "pos", "batch", "ptr", "cell", "pbc", "lattice", "properties", "species", "source"}


def check_names(names: Iterable[str]) -> None:
    """Raises ValueError unless predictions can be called so, in a file and as parts of a network."""
    for name in names:
        checks.instance("heads", name, str, "names of predictions")
        is_free = name.lower() not in TAKEN and not hasattr(torch.nn.ModuleDict(), name)
        if not re.fullmatch(r"[\w+-]+", name) or not is_free:
            checks.refuse("heads", "names of predictions: words that mean nothing else", name)


def check_heads(heads: Mapping[str, str] | None) -> None:
    """Raises ValueError unless these are names of heads, by what they predict."""
    checks.instance("heads", heads, Mapping, 'a dict such as {"energy": "scalar"}', optional=True)
    if heads is not None and not heads:
        checks.refuse("heads", "one prediction or more, or None", heads)
    check_names(heads or ())
    for name, spec in (heads or {}).items():
        checks.one_of(f"heads[{name!r}]", spec, HEADS)


def _scalar(y: Tensor, x: Tensor | None) -> Tensor:
    return y.squeeze(-1)


def _own_vector(y: Tensor, x: Tensor | None) -> Tensor:
    return y


def _vector(y: Tensor, x: Tensor | None) -> Tensor:
    """A dipole and a charge at the atom's place."""
    return y[:, :3] if x is None else y[:, :3] + y[:, 3:] * x


def _tensor(y: Tensor, x: Tensor | None) -> Tensor:
    """A quadrupole, a dipole and a charge at the atom's place; symmetric."""
    own, vector, charge = y[:, _SYMMETRIC].view(-1, 3, 3), y[:, 6:9], y[:, 9:, None]
    if x is None:
        return own
    product = (vector.unsqueeze(2) + charge * x.unsqueeze(2)) * x.unsqueeze(1)
    return own + product + product.mT


def _sum(y: Tensor, batch: Tensor | None, size: int) -> Tensor:
    return y.sum(0, keepdim=True) if batch is None else scatter_sum(y, batch, size)


def _mean(y: Tensor, batch: Tensor | None, size: int) -> Tensor:
    return mean(y.unsqueeze(-1), batch, size).squeeze(-1)


_SYMMETRIC = torch.tensor([0, 1, 2, 1, 3, 4, 2, 4, 5])

HEADS = {
    "scalar": Head(1, _scalar, _sum),
    "mean": Head(1, _scalar, _mean),
    "vector": Head(4, _vector, _sum),
    "tensor": Head(10, _tensor, _sum),
    "node scalar": Head(1, _scalar, None),
    "node vector": Head(3, _own_vector, None),
}
