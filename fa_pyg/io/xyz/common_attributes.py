"""Which attributes all structures have, in one form: what not all have so cannot be stored together."""

import warnings
from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data

Form = tuple[str, tuple[int | str, ...] | None]
MATRIX: Form = ("numbers", ("*", 3, 3))


class CommonAttributes:
    """Goes through structures once.

    Args:
        structures: What to look at.
        asked: Attributes that must not be left out.

    Attributes: `unlike`, the names that are left out; `mixed`, the type of those that have several.

    Raises ValueError where one of `asked` has another form than in the first structure that has it.
    """

    def __init__(self, structures: Iterable[Data], asked: Collection[str]) -> None:
        self.total, self._counts = 0, Counter[str]()
        self._first: dict[str, tuple[Form, str]] = {}
        self._levels: dict[str, tuple[str, str]] = {}
        self._other: dict[str, str] = {}
        self._types: dict[str, torch.dtype] = {}
        self.mixed: dict[str, torch.dtype] = {}
        for data in structures:
            self.total += 1
            for name, value in data:
                self._add(data, name, value, name in asked)
        missing = {name for name, count in self._counts.items() if count < self.total}
        #: What a structure without a cell gets, where others have one: that it is not periodic.
        self.cells = missing & {"cell", "pbc"}
        #: NaN where others have one: molecules beside crystals have no stress.
        self.stresses = {n for n in missing & {"stress", "virial"} if self._first[n][0] == MATRIX}
        self.unlike = (missing - self.cells - self.stresses) | self._other.keys()

    @property
    def differ(self) -> bool:
        """Whether there is anything to change."""
        return bool(self.unlike or self.mixed or self.cells or self.stresses)

    def _add(self, data: Data, name: str, value: Any, asked: bool) -> None:
        self._counts[name] += 1
        form, source = _form(data, name, value), str(data.get("source"))
        first, where = self._first.setdefault(name, (form, source))
        if form == first:
            self._add_type(name, value)
            if not asked:
                self._add_level(data, name, value, source)
        elif asked:
            raise ValueError(f"{source}: found {name} {_words(form)}, expected {_words(first)} as in {where}")
        else:
            self._other.setdefault(name, f"{_words(form)} in {source}, {_words(first)} in {where}")

    def _add_type(self, name: str, value: Any) -> None:
        if isinstance(value, Tensor):
            known = self._types.setdefault(name, value.dtype)
            if known != value.dtype:
                self._types[name] = self.mixed[name] = torch.promote_types(known, value.dtype)

    def _add_level(self, data: Data, name: str, value: Any, source: str) -> None:
        """Of extended XYZ, a column in one structure and an entry of the comment in another are unlike."""
        level = _level(data, name, value) if "pbc" in data else None
        if level is not None:
            first, where = self._levels.setdefault(name, (level, source))
            if level != first:
                self._other.setdefault(name, f"of {level} in {source}, of {first} in {where}")

    def warn(self, stacklevel: int) -> None:
        """Names what is left out."""
        if self.unlike:
            told = ", ".join(f"{name} ({self._why(name)})" for name in sorted(self.unlike))
            text = f"left out what not all {self.total} structures have in one form: {told}"
            warnings.warn(text, stacklevel=stacklevel + 1)

    def _why(self, name: str) -> str:
        return self._other.get(name, str(self._counts[name]))

    def part(self, data: Data) -> Data:
        """A structure with the attributes that all have, each of one type: real where some numbers are."""
        kept = Data()
        for name, value in data:
            if name not in self.unlike:
                kept[name] = value.to(self.mixed[name]) if name in self.mixed else value
        for name in self.cells - set(kept.keys()):
            kept[name] = (
                data.pos.new_zeros(1, 3, 3) if name == "cell" else torch.zeros(1, 3, dtype=torch.bool)
            )
        for name in self.stresses - self.unlike - set(kept.keys()):
            kept[name] = torch.full((1, 3, 3), torch.nan, dtype=self._types[name])
        return kept


def _form(data: Data, name: str, value: Any) -> Form:
    """What tensors, or other values, must share to be stored together."""
    if not isinstance(value, Tensor):
        return type(value).__name__, None
    shape: list[int | str] = list(value.shape)
    if shape:
        shape[data.__cat_dim__(name, value)] = "*"
    return "flags" if value.dtype == torch.bool else "numbers", tuple(shape)


def _level(data: Data, name: str, value: Any) -> str | None:
    """Whether there is one row or one for each atom; None where that is the same, or neither."""
    if not isinstance(value, Tensor) or not value.dim() or "edge" in name or data.num_nodes == 1:
        return None
    return {1: "the structure", data.num_nodes: "its atoms"}.get(len(value))


def _words(form: Form) -> str:
    kind, shape = form
    if shape is None:
        return f"of type {kind}"
    return f"of shape [{', '.join(map(str, shape))}]" + " (flags)" * (kind == "flags")
