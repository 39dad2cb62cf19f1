"""Frames as modules: the abstract frame, and the frames of motions and of permutations."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import nn

from fa_pyg.builders.cloud import Cloud, cloud_of
from fa_pyg.builders.eager import VALUES, evaluate_eagerly, outside_old_compilers
from fa_pyg.builders.graphs import Graphs, graphs_of
from fa_pyg.frames import Frames, FrameSet, PermutationFrames
from fa_pyg.frames.motion import MotionFrames
from fa_pyg.groups import Group, GroupLike
from fa_pyg.typed import computed

__all__ = ["Frame", "MotionFrame", "PermutationFrame", "as_motions", "as_permutations", "check_euclidean"]


class Frame(nn.Module, ABC):
    r"""A frame: a map F from inputs to group elements with F(gx) = g F(x) for all g of a group.

    Abstract: a new frame is a subclass of :class:`MotionFrame` or :class:`PermutationFrame` with one method,
    :meth:`build`; a new kind of group is a sibling of these two.

    Args:
        group: the group G.
    """

    # The type of value that `build` takes; for a frame that wraps another, the type of the inner frame.
    seen: type[Cloud] | type[Graphs]

    def __init__(self, group: GroupLike) -> None:
        super().__init__()
        self.group = Group.of(group)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        is_built = not getattr(cls.build, "__isabstractmethod__", False)
        if is_built and cls.read is Frame.read:
            _adopt(cls)

    @computed
    def is_random(self) -> bool:
        """Whether frames are drawn at random in training, by this frame or by one inside it."""
        return any(child.is_random for child in self.children() if isinstance(child, Frame))

    @computed
    def untraced(self) -> str | None:
        """Why compilers cannot trace the frame, or one inside it; None if they can."""
        children = (child.untraced for child in self.children() if isinstance(child, Frame))
        return next((reason for reason in children if reason is not None), None)

    @abstractmethod
    def read(self, *args: Any, **kwargs: Any) -> Cloud | Graphs:
        """Return the value that the frame is computed from, from the checked arguments of a call."""

    @abstractmethod
    def build(self, seen: Any, /) -> FrameSet:
        """Return the frames of a batch, from a value of the type ``seen``."""

    @abstractmethod
    def check(self, frames: FrameSet, size: int) -> FrameSet:
        """Return ``frames`` if they are valid for this frame and ``size`` bodies; else raise ValueError."""
        return _checked_motions(self, frames, size)  # for frames written for fa_pyg 0.1

    def evaluate(self, seen: Cloud | Graphs) -> FrameSet:
        """Return :meth:`build` without autocast, which would rotate the axes by up to half a degree.

        Raises:
            ValueError: if these are not frames of this group for the bodies of the batch, and in
                ``torch.export`` for a frame that cannot be traced (docs/guides/compile.md).
        """
        if torch.compiler.is_compiling() and self.untraced is not None:
            return evaluate_eagerly(self, seen)
        if not torch.is_autocast_enabled(seen.device.type):  # entering a context takes time
            return self.check(self.build(seen), seen.size)
        with torch.autocast(seen.device.type, enabled=False):
            return self.check(self.build(seen), seen.size)

    @outside_old_compilers
    def forward(self, *args: Any, **kwargs: Any) -> FrameSet:
        """Return the frames of the graphs of a batch: :meth:`build` of what :meth:`read` returns.

        Raises:
            ValueError: naming the argument that does not fit.
        """
        return self.evaluate(self.read(*args, **kwargs))

    def extra_repr(self) -> str:
        return f'"{self.group}"'


class MotionFrame(Frame):
    r"""A frame of motions: a map F from point clouds to :class:`~fa_pyg.Frames`, :math:`g = (R, t)`.

    To write one, subclass and implement :meth:`build` from :class:`~fa_pyg.builders.Cloud`. Call it
    with ``(pos, *vectors, batch=None, num_graphs=None, node_weight=None)``, see
    ``fa_pyg.builders.cloud.cloud_of``.

    Args:
        group: ``"O(d)"``, ``"SO(d)"``, ``"E(d)"``, ``"SE(d)"`` or ``"T(d)"``.
    """

    if TYPE_CHECKING:  # the type of what a call returns

        def __call__(self, *args: Any, **kwargs: Any) -> MotionFrames: ...

    seen = Cloud
    is_euclidean: ClassVar[bool] = True  # whether it neither scales nor boosts, beside the frames inside

    def __init__(self, group: GroupLike) -> None:
        super().__init__(group)
        if self.is_euclidean and not self.group.is_euclidean:
            hint = 'scaling and boosts are wrapped around a frame: ScaleFrame(PCAFrame("E(3)"))'
            raise ValueError(
                f"group of a {type(self).__name__}: expected a group without them, found {self.group}: {hint}"
            )
        if not self.group.dim:
            wanted = 'a group of motions such as "E(3)"'
            raise ValueError(f"group of a {type(self).__name__}: expected {wanted}, found {self.group}")

    @abstractmethod
    def build(self, cloud: Cloud, /) -> MotionFrames:
        """Return the frames of a batch of point clouds."""

    def read(self, *args: Any, **kwargs: Any) -> Cloud:
        return cloud_of(self.group, *args, **kwargs)

    def check(self, frames: FrameSet, size: int) -> MotionFrames:
        return _checked_motions(self, frames, size)


class PermutationFrame(Frame):
    r"""A frame of graphs: a map F to :class:`~fa_pyg.PermutationFrames` with F(gx) = g F(x), g in S(n).

    To write one, subclass and implement :meth:`build` from :class:`~fa_pyg.builders.graphs.Graphs`. Call
    it with ``(edge_index, x=None, edge_attr=None, batch=None, num_nodes=None, num_graphs=None)``, see
    ``fa_pyg.builders.graphs.graphs_of``.

    Args:
        group: ``"S(n)"``.
    """

    if TYPE_CHECKING:  # the type of what a call returns

        def __call__(self, *args: Any, **kwargs: Any) -> PermutationFrames: ...

    seen = Graphs
    untraced = VALUES

    def __init__(self, group: GroupLike = "S(n)") -> None:
        super().__init__(group)
        if self.group.dim:
            raise ValueError(f'group of a {type(self).__name__}: expected "S(n)", found {self.group}')

    @abstractmethod
    def build(self, graphs: Graphs, /) -> PermutationFrames:
        """Return the frames of a batch of graphs."""

    def read(self, *args: Any, **kwargs: Any) -> Graphs:
        return graphs_of(*args, **kwargs)

    def check(self, frames: FrameSet, size: int) -> PermutationFrames:
        if not isinstance(frames, PermutationFrames) or frames.num_bodies != size:
            raise ValueError(f"{self}: expected permutation frames of {size} graphs, found {frames}")
        return frames


def check_euclidean(name: str, frame: Frame) -> None:
    """Raise ValueError for a frame that scales or boosts, itself or inside."""
    wrong = [module for module in frame.modules() if not getattr(module, "is_euclidean", True)]
    if wrong:
        kind = type(wrong[0]).__name__
        raise ValueError(
            f"{name}: expected a frame without scaling and boosts, found a {kind}: wrap it around"
        )


def as_motions(frames: FrameSet) -> MotionFrames:
    """Return frames if they are frames of motions; else raise ValueError."""
    if not isinstance(frames, MotionFrames):
        raise ValueError(f"frames: expected frames of motions, found {frames}")
    return frames


def as_permutations(frames: FrameSet) -> PermutationFrames:
    """Return frames if they are frames of permutations; else raise ValueError."""
    if not isinstance(frames, PermutationFrames):
        raise ValueError(f"frames: expected permutation frames, found {frames}")
    return frames


def _checked_motions(frame: Frame, frames: FrameSet, size: int) -> MotionFrames:
    if not isinstance(frames, Frames) or (frames.num_bodies, frames.dim) != (size, frame.group.dim):
        wanted = f"frames of {size} bodies in {frame.group.dim} dimensions"
        raise ValueError(f"{frame}: expected {wanted}, found {frames}")
    return frames


def _adopt(cls: type[Frame]) -> None:
    """Turn a direct subclass of Frame with ``build`` only, as in fa_pyg 0.1, into a frame of motions."""
    text = f"{cls.__name__}: expected a subclass of MotionFrame, found one of Frame, taken as one of motions"
    warnings.warn(text, DeprecationWarning, stacklevel=4)
    for name in ("seen", "read", "check"):
        if getattr(cls, name, None) is getattr(Frame, name, None):
            setattr(cls, name, vars(MotionFrame)[name])
