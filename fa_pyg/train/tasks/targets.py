"""Targets of molecules: read from the data by name, in the units of the training, and checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data

from fa_pyg.train.tasks.cells import describe, read_tensor

__all__ = ["Targets", "has_stress"]


@dataclass(frozen=True)
class Targets:
    """The targets of molecules, by name.

    ``"stress"`` may be missing, and is NaN then. It is that of ASE, the derivative of the energy by strain
    over the volume; if there is a ``virial`` instead, or ``attributes`` names ``"virial"``, it is
    -virial / volume.

    Args:
        names: of the targets.
        attributes: attribute of the data by target, if its name is another; ``"y:7"`` is column 7 of the
            attribute y.
        factors: factor of the unit by target.

    Raises:
        ValueError: for the name of an input, such as ``"pos"``.
    """

    names: tuple[str, ...]
    attributes: dict[str, str] = field(default_factory=dict)
    factors: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if inputs := sorted({"z", "pos", "batch", "ptr", "cell", "pbc"}.intersection(self.names)):
            raise ValueError(f"targets: expected other names than those of inputs, found {inputs[0]!r}")

    def of(self, data: Data, index: int | None = None) -> dict[str, Tensor]:
        """Return the targets of a molecule, with its index in the data set, or of a batch of all molecules.

        Raises:
            ValueError: with the index of the molecule, and its file and line if it has a ``source``, for
                targets that the data do not have or that have a row neither for the molecule nor for each
                atom, and for numbers that are not finite.
        """
        return {name: self._read(name, data, index) for name in self.names}

    def _read(self, name: str, data: Data, index: int | None) -> Tensor:
        key, _, column = self.attributes.get(name, name).partition(":")
        if name == "stress":
            return _stress(data, key, index) * self.factors.get(name, 1)
        where = describe(data, index)
        if key not in data:
            found = ", ".join(sorted(data.keys()))
            raise ValueError(f"targets: expected {key!r} for {name!r} in {where}, found {found}")
        value = _numbers(data[key], key, name, where)
        value = _column(value, key, column) if column else value
        value = value.view(1) if value.dim() == 0 else value
        graphs = data.num_graphs if index is None else 1
        if len(value) not in (data.num_nodes, graphs):
            expected = f"{graphs} or {data.num_nodes} rows of {key!r} in {where}"
            raise ValueError(f"targets: expected {expected}, found {list(value.shape)}")
        value = value * self.factors.get(name, 1)
        if not value.isfinite().all():
            row = int((~value.isfinite()).nonzero()[0, 0])
            graph = int(data["batch"][row]) if len(value) > graphs and index is None else row
            where = describe(data, index, graph)
            raise ValueError(f"targets: expected finite numbers, found others in {name!r} of {where}")
        return value


def has_stress(batch: Data) -> Tensor:
    """Return which graphs of a batch have a stress to train on ``[B]``: it is known, and pbc are all true."""
    finite = batch.stress.isfinite().flatten(1).all(1)
    return finite & batch.pbc.all(1) if "pbc" in batch else torch.zeros_like(finite)


def _stress(data: Data, key: str, index: int | None) -> Tensor:
    """Return the stress ``[B, 3, 3]`` of a molecule, or of a batch of all; NaN without it and a virial."""
    graphs = data.num_graphs if index is None else 1
    found = torch.full((graphs, 3, 3), torch.nan, dtype=data["pos"].dtype, device=data["pos"].device)
    for name in dict.fromkeys((key, "virial")):
        if data.get(name) is not None:
            value = _matrices(data, name, index, graphs).to(found)
            value = _virial_stress(value, data, index, graphs) if name == "virial" else value
            found = torch.where(found.isnan(), value, found)
    return found


def _matrices(data: Data, name: str, index: int | None, graphs: int) -> Tensor:
    where = describe(data, index)
    value = _numbers(data[name], name, "stress", where)
    if value.numel() != 9 * graphs:
        shape = list(value.shape)
        raise ValueError(f"targets: expected [{graphs}, 3, 3] of {name!r} in {where}, found {shape}")
    value = value.reshape(graphs, 3, 3).to(data["pos"].dtype)
    odd = ~(value.isfinite().flatten(1).all(1) | value.isnan().flatten(1).all(1))
    if odd.any():
        where = describe(data, index, int(odd.nonzero()[0]) if index is None else None)
        raise ValueError(f"targets: expected finite numbers, found others in {name!r} of {where}")
    return value


def _virial_stress(virial: Tensor, data: Data, index: int | None, graphs: int) -> Tensor:
    cell = read_tensor(data, "cell", (3, 3), index, graphs).to(virial)
    volume = torch.linalg.det(cell).abs().view(-1, 1, 1)
    return torch.where(volume > 0, -(virial + virial.mT) / (2 * volume), torch.nan)


def _numbers(value: Any, key: str, name: str, where: str) -> Tensor:
    """Return a tensor; readers of files return text if a value is not numbers."""
    try:
        return torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError) as error:
        expected = f"numbers under {key!r} for {name!r}"
        raise ValueError(f"targets: expected {expected} in {where}, found {str(value)[:60]!r}") from error


def _column(value: Tensor, key: str, column: str) -> Tensor:
    try:
        return value[:, int(column)]
    except (IndexError, ValueError) as error:
        shape = list(value.shape)
        raise ValueError(f"attributes: expected a column of {shape}, found '{key}:{column}'") from error
