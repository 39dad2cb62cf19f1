"""What every frame is: a module that maps what it reads of a batch to frames."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from fa_pyg.builders.cloud import Cloud, cloud_of
from fa_pyg.builders.graphs import Graphs, graphs_of
from fa_pyg.frames import Frames
from fa_pyg.frames.permutation import PermutationFrames
from fa_pyg.groups import Group, GroupLike

__all__ = ["Frame", "PermutationFrame"]


class Frame(nn.Module):
    r"""A frame: a map F from inputs to :class:`~fa_pyg.Frames` with F(gx) = g F(x) for all g of a group.

    A new frame is a subclass with one method, :meth:`build`.

    Args:
        group: ``"O(d)"``, ``"SO(d)"``, ``"E(d)"``, ``"SE(d)"`` or ``"T(d)"``.
    """

    permutes: bool | None = False  # None where the group is that of another frame, inside

    def __init__(self, group: GroupLike) -> None:
        super().__init__()
        self.group = Group.of(group)
        if self.permutes not in (None, self.group.permutes):
            wanted = '"S(n)"' if self.permutes else 'a group of motions such as "E(3)"'
            raise ValueError(f"group of a {type(self).__name__}: expected {wanted}, found {self.group}")

    @property
    def is_random(self) -> bool:
        """Whether frames are drawn at random in training, so that two calls differ; of a frame that wraps
        others, whether one of these is."""
        return any(one.is_random for one in self.children() if isinstance(one, Frame))

    def build(self, cloud: Cloud) -> Frames:
        """Returns the frames of a batch."""
        raise NotImplementedError

    def evaluate(self, cloud: Cloud) -> Frames:
        """Returns :meth:`build` with autocast off, which would turn the axes by up to half a degree.

        Raises:
            ValueError: if these are no frames of this group for the bodies of the batch.
        """
        with torch.autocast(cloud.device.type, enabled=False):
            return self.check(self.build(cloud), cloud.size)

    def check(self, frames: Frames, size: int) -> Frames:
        """Returns ``frames`` if they can be this frame's, of ``size`` bodies; else raises ValueError."""
        if self.group.permutes:
            if not isinstance(frames, PermutationFrames) or frames.num_bodies != size:
                raise ValueError(f"{self}: expected permutation frames of {size} graphs, found {frames}")
            return frames
        if not isinstance(frames, Frames) or (frames.num_bodies, frames.dim) != (size, self.group.dim):
            wanted = f"frames of {size} bodies in {self.group.dim} dimensions"
            raise ValueError(f"{self}: expected {wanted}, found {frames}")
        return frames

    def forward(self, *args: Any, **kwargs: Any) -> Frames:
        """Returns the frames of the graphs of a batch.

        Args:
            args, kwargs: of motions ``(pos, *vectors, batch=None, num_graphs=None, node_weight=None)``, see
                :func:`fa_pyg.builders.cloud.cloud_of`; of S(n) ``(edge_index, x=None, edge_attr=None,
                batch=None, num_nodes=None, num_graphs=None)``, see :func:`fa_pyg.builders.graphs.graphs_of`.

        Raises:
            ValueError: naming the argument that does not fit.
        """
        if self.group.permutes:
            return self.evaluate(graphs_of(*args, **kwargs))
        return self.evaluate(cloud_of(self.group, *args, **kwargs))

    def extra_repr(self) -> str:
        return f'"{self.group}"'


class PermutationFrame(Frame):
    r"""A frame of graphs: a map F to :class:`~fa_pyg.PermutationFrames` with F(gx) = g F(x), g in S(n).

    A new one is a subclass with one method, :meth:`build`, from :class:`~fa_pyg.builders.graphs.Graphs`.

    Args:
        group: ``"S(n)"``.
    """

    permutes = True

    def __init__(self, group: GroupLike = "S(n)") -> None:
        super().__init__(group)

    def build(self, graphs: Graphs) -> PermutationFrames:
        """Returns the frames of a batch of graphs."""
        raise NotImplementedError
