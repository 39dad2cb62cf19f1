"""Attributes that all structures have in one form: only these can be collated."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data, InMemoryDataset

from fa_pyg.io.xyz.attribute_names import MATRICES

__all__ = ["CommonAttributes", "collate"]

Form = tuple[str, tuple[int | str, ...] | None]
MATRIX: Form = ("numbers", ("*", 3, 3))


class CommonAttributes:
    """The attributes that all structures have in one form, found in one pass.

    Args:
        structures: The structures.
        requested: Attributes that must not be left out.

    Attributes:
        unlike: Names that are left out.
        mixed: The common type of attributes of several types.

    Raises:
        ValueError: where a requested attribute has several forms.
    """

    def __init__(self, structures: Iterable[Data], requested: Collection[str]) -> None:
        self.total, self._counts = 0, Counter[str]()
        self._first: dict[str, tuple[Form, str]] = {}
        self._levels: dict[str, tuple[str, str]] = {}
        self._other: dict[str, str] = {}
        self._types: dict[str, torch.dtype] = {}
        self.mixed: dict[str, torch.dtype] = {}
        for data in structures:
            self.total += 1
            for name, value in data._store.items():
                self._add(data, name, value, name in requested)
        missing = {name for name, count in self._counts.items() if count < self.total}
        #: Structures without a cell get one of zeros, which is not periodic, where others have a cell.
        self.cells = missing & {"cell", "pbc"}
        #: Structures without a stress get NaN where others have one: molecules beside crystals.
        self.stresses = {n for n in missing & set(MATRICES) if self._first[n][0] == MATRIX}
        self.unlike = (missing - self.cells - self.stresses) | self._other.keys()

    @property
    def differ(self) -> bool:
        """Whether structures have to be changed."""
        return bool(self.unlike or self.mixed or self.cells or self.stresses)

    def _add(self, data: Data, name: str, value: Any, is_requested: bool) -> None:
        self._counts[name] += 1
        form, source = _form(data, name, value), str(data.get("source"))
        first, where = self._first.setdefault(name, (form, source))
        if form == first:
            self._add_type(name, value)
            if not is_requested:
                self._add_level(data, name, value, source)
        elif is_requested:
            raise ValueError(
                f"{source}: {name}: expected {_words(first)} as in {where}, found {_words(form)}"
            )
        else:
            self._other.setdefault(name, f"{_words(form)} in {source}, {_words(first)} in {where}")

    def _add_type(self, name: str, value: Any) -> None:
        if isinstance(value, Tensor):
            dtype = self._types.setdefault(name, value.dtype)
            if dtype != value.dtype:
                self._types[name] = self.mixed[name] = torch.promote_types(dtype, value.dtype)

    def _add_level(self, data: Data, name: str, value: Any, source: str) -> None:
        """Compare levels in extended XYZ: a column and an entry of the comment line are unlike."""
        level = _level(data, name, value) if "pbc" in data else None
        if level is not None:
            first, where = self._levels.setdefault(name, (level, source))
            if level != first:
                self._other.setdefault(name, f"of {level} in {source}, of {first} in {where}")

    def warn(self, stacklevel: int) -> None:
        """Warn with the names of attributes that are left out."""
        if self.unlike:
            names = ", ".join(f"{name} ({self._why(name)})" for name in sorted(self.unlike))
            text = f"left out attributes that not all {self.total} structures have in one form: {names}"
            warnings.warn(text, stacklevel=stacklevel + 1)

    def _why(self, name: str) -> str:
        return self._other.get(name, str(self._counts[name]))

    def part(self, data: Data) -> Data:
        """Return a structure with the common attributes, in common types (real where some are real)."""
        kept = Data()
        for name, value in data._store.items():
            if name not in self.unlike:
                kept[name] = value.to(self.mixed[name]) if name in self.mixed else value
        for name in self.cells - set(kept.keys()):
            kept[name] = (
                data["pos"].new_zeros(1, 3, 3) if name == "cell" else torch.zeros(1, 3, dtype=torch.bool)
            )
        for name in self.stresses - self.unlike - set(kept.keys()):
            kept[name] = torch.full((1, 3, 3), torch.nan, dtype=self._types[name])
        return kept


def _form(data: Data, name: str, value: Any) -> Form:
    """Return what values must have in common to be collated."""
    if not isinstance(value, Tensor):
        return type(value).__name__, None
    shape: list[int | str] = list(value.shape)
    if shape:
        shape[data.__cat_dim__(name, value)] = "*"
    return "flags" if value.dtype == torch.bool else "numbers", tuple(shape)


def _level(data: Data, name: str, value: Any) -> str | None:
    """Return whether a value has one row or a row for each atom; None where that is the same, or neither."""
    if not isinstance(value, Tensor) or not value.dim() or "edge" in name or data.num_nodes == 1:
        return None
    return {1: "the structure", data.num_nodes: "its atoms"}.get(len(value))


def _words(form: Form) -> str:
    kind, shape = form
    if shape is None:
        return f"of type {kind}"
    return f"of shape [{', '.join(map(str, shape))}]" + " (flags)" * (kind == "flags")


def collate(structures: list[Data], requested: Collection[str] = ()) -> tuple[Data, dict[str, Any] | None]:
    """Return the storage of an in-memory data set, without attributes that differ unless ``requested``.

    Raises:
        ValueError: where structures cannot be collated.
    """
    common = CommonAttributes(structures, requested)
    common.warn(stacklevel=4)
    structures = [common.part(data) for data in structures] if common.differ else structures
    try:
        collated: Any = InMemoryDataset.collate(structures)
        return collated
    except (RuntimeError, TypeError, AttributeError) as error:
        raise ValueError(
            f"structures: expected attributes that can be stored together, found {error}"
        ) from error
