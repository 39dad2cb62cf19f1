"""Reading of a call for a frame: from arguments to frames, for every kind of group."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor

from fa_pyg import checks
from fa_pyg.builders import Frame
from fa_pyg.calls.call import Call, Name, Named, Signature
from fa_pyg.calls.declared import NodeWeight, check_node_weight
from fa_pyg.calls.layout import LEVELS, Layout
from fa_pyg.frames import FrameSet, Rows
from fa_pyg.reps import Rep, RepLike
from fa_pyg.typed import is_dict

__all__ = ["Reading", "nested", "shown"]


class Reading(ABC):
    """Declarations about a call, and the frames computed from it: inputs, reads, node weights, levels.

    There is a subclass for every type of value that frames are computed from (``Frame.seen``),
    named in ``class MyReading(Reading, seen=Cloud)`` and selected by :meth:`of`.

    Args:
        frame: the frame, which determines the group.
        signature: the signature of the model, for declarations by position.
        inputs: the representation of each input that transforms.
        reads: the inputs that axes or orders are computed from; None for the default.
        node_weight: as in :class:`~fa_pyg.FrameAveraging`.
        levels: the level of inputs whose name and size are ambiguous.

    Raises:
        ValueError: for declarations that do not fit each other or the frame.
    """

    kinds: ClassVar[dict[type, type[Reading]]] = {}

    def __init_subclass__(cls, seen: type, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        Reading.kinds[seen] = cls

    @staticmethod
    def of(
        frame: Frame,
        signature: Signature,
        inputs: Named[RepLike] | None = None,
        reads: Sequence[Name] | None = None,
        node_weight: NodeWeight = "auto",
        levels: Named[str] | None = None,
    ) -> Reading:
        """Return the reading for a frame."""
        checks.instance("frame", frame, Frame, 'a frame such as PCAFrame("E(3)")')
        if frame.seen not in Reading.kinds:
            expected = " or ".join(kind.__name__ for kind in Reading.kinds)
            raise ValueError(f"frame: expected one that reads {expected}, found {frame.seen.__name__}")
        return Reading.kinds[frame.seen](frame, signature, inputs, reads, node_weight, levels)

    def __init__(
        self,
        frame: Frame,
        signature: Signature,
        inputs: Named[RepLike] | None,
        reads: Sequence[Name] | None,
        node_weight: NodeWeight,
        levels: Named[str] | None,
    ) -> None:
        check_node_weight(node_weight)
        checks.instance("levels", levels, Mapping, 'a dict such as {"x": "node"}', optional=True)
        _check_list("reads", reads)
        self.group, self.signature, self.node_weight = frame.group, signature, node_weight
        self.inputs: dict[Name, Rep] = {self._name(k): rep for k, rep in self.reps(inputs).items()}
        self.levels = {self._name(k): level for k, level in (levels or {}).items()}
        reads = self.default_reads() if reads is None else reads
        self.reads = None if reads is None else [self._name(k) for k in reads]
        for name, level in self.levels.items():
            expected = LEVELS[:3] if name in self.inputs else LEVELS
            if level not in expected:
                raise ValueError(f"levels[{name!r}]: expected one of {shown(expected)}, found {level!r}")

    def _name(self, key: Name) -> Name:
        return self.signature.name(key) if isinstance(key, int) else key

    @abstractmethod
    def reps(self, inputs: Named[RepLike] | None) -> dict[Name, Rep]:
        """Return the declared inputs."""

    @abstractmethod
    def default_reads(self) -> list[Name] | None:
        """Return the default of ``reads``; None for all tensors of the call."""

    @abstractmethod
    def check_output(self, spec: Any) -> None:
        """Raise ValueError for representations of the output that the group does not have."""

    @abstractmethod
    def layout(self, call: Call, pairs_in_edge_order: bool = False) -> Layout:
        """Return the layout of a call, checked against what is declared."""

    @abstractmethod
    def frames(self, frame: Frame, layout: Layout, given: FrameSet | None = None) -> FrameSet:
        """Return the frames of a call: computed, or ``given`` and checked.

        Raises:
            ValueError: if ``given`` are not frames of these graphs.
        """

    @abstractmethod
    def framed(self, layout: Layout, frames: FrameSet) -> dict[Name, tuple[Tensor, Rows]]:
        r"""Return :math:`\rho_{in}(g)^{-1} x` of the declared inputs in all frames, and their rows."""

    def warn_undeclared(self, layout: Layout) -> dict[Name, str]:
        """Return a warning for each tensor that looks geometric and is not declared."""
        return {}

    def extra(self) -> tuple[str, ...]:
        """Return the keywords of a call that frames need, whether or not the model takes them."""
        return ("batch", "num_graphs", *([self.node_weight] if isinstance(self.node_weight, str) else []))

    def check_names(self, call: Call) -> None:
        """Raise ValueError for declared names that the call does not have."""
        names = (*call.values, *self.signature.named)
        wrong = [name for name in self.levels if name not in names]
        if wrong:
            raise ValueError(f"levels: expected some of {shown(call.values)}, found {wrong[0]!r}")


def _check_list(name: str, value: object) -> None:
    if isinstance(value, str) or not isinstance(value, Iterable | None):
        checks.refuse(name, "a list of inputs or None", value)


def nested(spec: Any) -> Iterable[tuple[Any, Any]]:
    """Return the parts of a nested declaration of outputs, a dict or a sequence, with their keys."""
    if is_dict(spec):
        return spec.items()
    parts: Iterable[Any] = spec
    return enumerate(parts)


def shown(names: Iterable[Name]) -> str:
    """Return names as an error lists them."""
    return ", ".join(map(str, names)) or "nothing"
