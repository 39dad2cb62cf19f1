"""What is learned of molecules: found in the data, named, in its unit, and finite."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset as Graphs
from torch_geometric.data import Data, Dataset

from fa_pyg.io.elements import SYMBOLS

__all__ = ["MoleculesOnDisk", "Targets", "boxes", "has_stress"]


@dataclass(frozen=True)
class Targets:
    """The targets of molecules, by name.

    Args:
        names: of what is learned.
        attributes: where one is in the data, if not under its own name: that of another attribute, or
            ``"y:7"``, the column 7 of the attribute y.
        factors: what one is multiplied with.

    ``"stress"`` may be missing, and is NaN then. It is that of ASE, the derivative of the energy by strain
    over the volume; where there is a ``virial`` instead, or ``attributes`` says ``"virial"``, it is
    -virial / volume.

    Raises ValueError for the name of an input, such as ``"pos"``.
    """

    names: tuple[str, ...]
    attributes: dict[str, str] = field(default_factory=dict)
    factors: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if taken := sorted({"z", "pos", "batch", "ptr", "cell", "pbc"}.intersection(self.names)):
            raise ValueError(f"targets: expected other names than those of inputs, found {taken[0]!r}")

    def of(self, data: Data, place: int | None = None) -> dict[str, Tensor]:
        """The targets of a molecule, the one at ``place`` of its data set, or of a batch of all molecules.

        Raises ValueError, with the place of the molecule and its file and line where ``data.source`` knows,
        for targets that the data do not have or that are neither of the molecule nor of its atoms, and for
        numbers that are not finite.
        """
        return {name: self._one(name, data, place) for name in self.names}

    def _one(self, name: str, data: Data, place: int | None) -> Tensor:
        key, _, column = self.attributes.get(name, name).partition(":")
        if name == "stress":
            return _stress(data, key, place) * self.factors.get(name, 1)
        if key not in data:
            found = ", ".join(sorted(data.keys()))
            raise ValueError(
                f"targets: expected {key!r} for {name!r} in {_where(data, place)}, found {found}"
            )
        value = _numbers(data[key], key, name, _where(data, place))
        if column:
            value = _column(value, key, column)
        value = value.view(1) if value.dim() == 0 else value
        graphs = data.num_graphs if place is None else 1
        if len(value) not in (data.num_nodes, graphs):
            raise ValueError(
                f"targets: expected {graphs} or {data.num_nodes} rows of {key!r} in {_where(data, place)}, "
                f"found {list(value.shape)}"
            )
        value = value * self.factors.get(name, 1)
        if not value.isfinite().all():
            row = int((~value.isfinite()).nonzero()[0, 0])
            where = _where(
                data, place, int(data.batch[row]) if len(value) > graphs and place is None else row
            )
            raise ValueError(f"targets: expected finite numbers, found others in {name!r} of {where}")
        return value


def has_stress(batch: Data) -> Tensor:
    """Which graphs of a batch have a stress to learn, ``[B]``: one is known, and three directions repeat."""
    finite = batch.stress.isfinite().flatten(1).all(1)
    return finite & batch.pbc.all(1) if "pbc" in batch else torch.zeros_like(finite)


class MoleculesOnDisk(Graphs):
    """Molecules of a data set, each read when it is asked for, with nothing but what is trained on.

    Args:
        dataset: any PyG data set.
        ids: which of its molecules, in which order.
        targets: what is learned of them.

    Attributes:
        known: which elements a molecule may have, ``[118 + 1]``; None for any. Reading another raises
            ValueError.
    """

    def __init__(self, dataset: Dataset, ids: Tensor, targets: Targets) -> None:
        self.dataset, self.ids, self.targets = dataset, ids, targets
        self.known: Tensor | None = None

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Data:
        place = int(self.ids[index])
        data = self.dataset[place]
        if self.known is not None and not self.known[data.z].all():
            symbols = ", ".join(SYMBOLS[z] for z in data.z[~self.known[data.z]].unique().tolist())
            raise ValueError(
                f"num_fitted: found {symbols} in {_where(data, place)}, expected elements of the molecules "
                "that references are fitted to"
            )
        return Data(z=data.z, pos=data.pos, **boxes(data, place), **self.targets.of(data, place))

    def read_together(self, indices: list[int]) -> list[Data]:
        """Several molecules, which all have a cell and ``pbc`` where one has: crystals, and atoms alone."""
        molecules = [self[index] for index in indices]
        if any("pbc" in one for one in molecules):
            for one in (one for one in molecules if "pbc" not in one):
                one.cell, one.pbc = one.pos.new_zeros(1, 3, 3), torch.zeros(1, 3, dtype=torch.bool)
        return molecules


def _stress(data: Data, key: str, place: int | None) -> Tensor:
    """The stress ``[B, 3, 3]`` of a molecule, or of a batch of all; NaN without it and without a virial."""
    graphs = data.num_graphs if place is None else 1
    found = torch.full((graphs, 3, 3), torch.nan, dtype=data.pos.dtype, device=data.pos.device)
    for name in dict.fromkeys((key, "virial")):
        if data.get(name) is None:
            continue
        value, where = _numbers(data[name], name, "stress", _where(data, place)), _where(data, place)
        if value.numel() != 9 * graphs:
            shape = list(value.shape)
            raise ValueError(f"targets: expected [{graphs}, 3, 3] of {name!r} in {where}, found {shape}")
        value = value.reshape(graphs, 3, 3).to(found)
        odd = ~(value.isfinite().flatten(1).all(1) | value.isnan().flatten(1).all(1))
        if odd.any():
            where = _where(data, place, int(odd.nonzero()[0]) if place is None else None)
            raise ValueError(f"targets: expected finite numbers, found others in {name!r} of {where}")
        if name == "virial":
            volume = (
                torch.linalg.det(_box(data, "cell", (3, 3), place, graphs).to(found)).abs().view(-1, 1, 1)
            )
            value = torch.where(volume > 0, -(value + value.mT) / (2 * volume), torch.nan)
        found = torch.where(found.isnan(), value, found)
    return found


def _numbers(value: Any, key: str, name: str, where: str) -> Tensor:
    """A tensor; text, which is also what a file says that has no number there, is none."""
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
        raise ValueError(f"attributes: found '{key}:{column}', expected a column of {shape}") from error


def boxes(data: Data, place: int | None = None) -> dict[str, Tensor]:
    """``cell [B, 3, 3]`` and ``pbc [B, 3]`` of a molecule, the one at ``place``, or of a batch of all.

    Empty where nothing is periodic; in a batch of which some graphs are, zero and False for the others.

    Raises:
        ValueError: with the molecule, for periodic directions without a cell and a cell of which it is not
            known in which directions it is periodic.
    """
    graphs = data.num_graphs if place is None else 1
    cell = _box(data, "cell", (3, 3), place, graphs).to(data.pos.dtype)
    pbc = _box(data, "pbc", (3,), place, graphs).bool()
    for name, other in (("cell", pbc), ("pbc", cell)):
        if data.get(name) is None and other.any():
            graph = int(other.flatten(1).any(1).nonzero()[0]) if place is None else None
            raise ValueError(f"{name}: expected one in {_where(data, place, graph)}, found none")
    return {"cell": cell, "pbc": pbc} if pbc.any() else {}


def _box(data: Data, name: str, shape: tuple[int, ...], place: int | None, graphs: int) -> Tensor:
    if data.get(name) is None:
        return data.pos.new_zeros(graphs, *shape)
    value = torch.as_tensor(data[name])
    if value.numel() != graphs * math.prod(shape):
        expected = [graphs, *shape]
        raise ValueError(f"{name}: expected {expected} in {_where(data, place)}, found {list(value.shape)}")
    return value.reshape(graphs, *shape)


def _where(data: Data, place: int | None, graph: int | None = None) -> str:
    """A molecule in words: the one at that place, or that graph of a batch of all."""
    if place is None and graph is None:
        return "the data"
    source = data.source if "source" in data else None
    source = source[graph] if isinstance(source, list) and graph is not None else source
    return f"molecule {graph if place is None else place}" + (f" ({source})" if source else "")
