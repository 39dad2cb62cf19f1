"""Declared attributes of a Data or Batch: their rows, motions of them, and point clouds for frames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch_geometric.data import Batch, Data

from fa_pyg import checks
from fa_pyg.builders import Cloud
from fa_pyg.calls import LEVELS, Call, Layout, MotionReading, Name, Named, Signature
from fa_pyg.calls.undeclared import declaration, undeclared, warn_once
from fa_pyg.frames import Rows
from fa_pyg.frames.motion import MotionFrames
from fa_pyg.math.linalg import check_real
from fa_pyg.reps import NAMED, Rep

__all__ = ["DATA_ALONE", "Declared", "check_levels", "described"]

DATA_ALONE = Signature(nn.Identity())  # the signature of a model that takes one Data


def check_levels(levels: Named[str] | None) -> None:
    """Raise ValueError unless these are levels of tensors, by name."""
    checks.instance("levels", levels, Mapping, 'a dict such as {"cell": "graph"}', optional=True)
    wrong = {name: level for name, level in (levels or {}).items() if level not in LEVELS[:3]}
    if wrong:
        raise ValueError(f"levels: expected one of {', '.join(LEVELS[:3])}, found {wrong}")


class Declared:
    """Declared attributes of a Data or Batch.

    A Data without ``batch`` is one graph, and moves as a whole: attributes do not need an axis of rows.

    Args:
        data: the Data or Batch.
        inputs: the representation of each attribute, by name.
        dim: the dimension of space.
        levels: the level of attributes whose name and size are ambiguous, in a Data with ``batch`` that PyG
            did not collate; as in :class:`~fa_pyg.FrameAveraging`.

    Raises:
        ValueError: for an attribute that is missing or does not fit its representation.
    """

    def __init__(
        self, data: Data, inputs: Mapping[Name, Rep], dim: int, levels: Named[str] | None = None
    ) -> None:
        if not isinstance(data, Data):
            raise ValueError(f"data: expected a Data or Batch, found a {type(data).__name__}")
        check_levels(levels)
        self.data, self.inputs, self.dim = data, inputs, dim
        self.values = {name: self._checked(name, rep) for name, rep in inputs.items()}
        self.call = Call(DATA_ALONE, (data,), {})
        self.layout = Layout(self.call, levels, next(iter(inputs)))
        self.size = self.layout.num_graphs
        if self.size > 1:
            self._check_rows()

    def _checked(self, name: Name, rep: Rep) -> Tensor:
        value = self.data.get(str(name))
        if not isinstance(value, Tensor):
            found = "none" if value is None else f"a {type(value).__name__}"
            have = ", ".join(map(str, self.data.keys())) or "nothing"
            raise ValueError(f"{name!r}: expected a tensor ({rep}), found {found}; the data has {have}")
        if not rep.is_invariant:
            check_real(repr(name), value, f"floating point numbers for {rep}")
        rep.layout(tuple(value.shape), self.dim, repr(name))
        return value

    def _check_rows(self) -> None:
        for name, rep in self.inputs.items():
            if self.values[name].dim() < 1 + (1 if rep.flat else rep.rank):
                found = f"{list(self.values[name].shape)} for {self.size} graphs"
                raise ValueError(f"{name!r}: expected {rep} in each of its rows [n, ...], found {found}")

    def _attribute_rows(self, name: Name) -> Rows | None:
        """The rows of an attribute; None for one graph, which moves as a whole."""
        return None if self.size == 1 else self.layout.rows(name, self.values[name])

    @property
    def like(self) -> Tensor:
        """A tensor with the device and dtype for motions."""
        return next(iter(self.values.values()))

    def cloud(self, reading: MotionReading) -> Cloud:
        """Return the point cloud that a frame is computed from."""
        moves = {k: x for k, x in self.values.items() if not self.inputs[k].is_invariant}
        values = {k: self._rows(x, self.inputs[k]) for k, x in moves.items()}
        return reading.cloud(values, self.layout, whole=True)

    def _rows(self, value: Tensor, rep: Rep) -> Tensor:
        return value.unsqueeze(0) if value.dim() == rep.rank and self.size == 1 else value

    def warn_undeclared(self, transform: Any) -> None:
        """Warn, once for each transform, about attributes that look geometric and are not moved."""
        for name, x in undeclared(self.call.values, self.inputs, self.dim, self.layout.sizes).items():
            hint = declaration(self.inputs, name, x)
            text = f"{name!r}: found {list(x.shape)}, left as it is while the data move; expected {hint}"
            warn_once(transform, name, text, stacklevel=4)  # the caller of the transform

    def moved(self, motion: MotionFrames, back: bool = False) -> Data:
        r"""Return the data with :math:`\rho(g)\, x` in it, or :math:`\rho(g)^{-1} x` to go back.

        Replaces attributes, and modifies no tensor; ``BaseTransform`` has copied the data before.

        Args:
            motion: one element g for each graph.
            back: apply its inverse.
        """
        apply = motion.to_frame if back else motion.from_frame
        for name, rep in self.inputs.items():
            value, rows = self.values[name], self._attribute_rows(name)
            if not rep.is_invariant:
                whole = rows is None  # rows count as channels
                self.data[str(name)] = (
                    apply(value.unsqueeze(0), rep).squeeze(0) if whole else apply(value, rep, rows)
                )
        return self.data

    @property
    def is_collated(self) -> bool:
        """Whether this is a collated batch, which PyG can separate."""
        return isinstance(self.data, Batch) and self.layout.is_collated


def described(inputs: Mapping[Name, Rep], **others: Any) -> str:
    """Return the arguments of a transform, for its ``repr``."""
    names = {rep: name for name, rep in NAMED.items()}
    text = {"inputs": {name: names.get(rep, rep) for name, rep in inputs.items()}, **others}
    return ", ".join(f"{key}={value!r}" for key, value in text.items())
