"""Framed network and its bare network, measured on the same displaced and rotated structures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from fa_pyg import checks
from fa_pyg.builders import Cloud, Frame, MotionFrame
from fa_pyg.builders.base import as_motions
from fa_pyg.builders.pca import identity_frames
from fa_pyg.calls import Name, Named
from fa_pyg.frames import Frames
from fa_pyg.frames.motion import MotionFrames
from fa_pyg.groups import Group, GroupLike
from fa_pyg.nn.averaging import FrameAveraging
from fa_pyg.reps import RepLike
from fa_pyg.testing.energies import Displaced, Inputs, System

__all__ = ["NODES", "Comparison"]

NODES = 1024  # of a call, to bound the memory of the backward pass
Measure = Callable[[Callable], Tensor]


class Comparison:
    """Call of a framed model, to be compared with the bare network.

    Args:
        model, inputs, pos, energy, forces: as in :class:`~fa_pyg.testing.energies.System`.
        bare: network to compare with; default that of the only framed network inside ``model``.
        input_reps: inputs that rotate; default those that the framed network declares, and the positions.
        group: group of random rotations; "auto" for that of the frame, E(d) without a frame.

    Raises:
        ValueError: for no ``bare`` and a model with no framed network or several; a group of another
            dimension.
    """

    def __init__(
        self,
        model: Callable,
        inputs: Inputs,
        pos: Name,
        energy: Any,
        forces: Any,
        bare: Callable | None,
        input_reps: Named[RepLike] | None,
        group: GroupLike,
    ) -> None:
        checks.function("model", model)
        checks.function("bare", bare, optional=True)
        self.model, self.other, self.averaging = model, bare, _averaging(model, bare)
        self.system = System(model, inputs, pos, energy, forces)
        self.reps, self.group = self._reps(input_reps), self._group(group)

    @property
    def pos(self) -> Tensor:
        """Positions ``[N, d]``."""
        return self.system.pos

    def orientations(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw random orientations of each graph, ``[count, B, d, d]``."""
        size, dim = self.system.layout.num_graphs, self.group.dim
        found = self.group.haar(count * size, generator, dtype=torch.float64)
        return found.view(count, size, dim, dim).to(self.pos)

    def copies(self, shift: Tensor, orientations: Tensor, nodes: int) -> Displaced:
        """Make K copies displaced by ``shift [K, N, d]``, K / M in each of M orientations."""
        rotation = orientations.repeat_interleave(len(shift) // len(orientations), dim=0)
        return Displaced(self.system, shift.to(self.pos), rotation, self.reps, nodes)

    def framed(self, measure: Measure) -> tuple[Tensor, Tensor | None]:
        """Measure the model, and the number of frames of each structure if all have some."""
        if self.averaging is None:
            return measure(self.model), None
        frame = _CountedFrame(self.averaging.frame)
        with self._in(self.averaging, frame):
            found = measure(self.model)
        framed = sum(map(len, frame.counts))
        if framed != found.numel() and self.other is None:  # such as crystals, with other frames
            raise ValueError(
                "bare: expected the network to compare with, found None for a model that builds "
                f"{framed} frames for {found.numel()} structures"
            )
        return found, torch.cat(frame.counts) if framed == found.numel() else None

    def bare(self, measure: Measure) -> Tensor:
        """Measure the bare network."""
        if self.other is not None:
            return measure(self.other)
        if self.averaging is None:
            raise ValueError("bare: expected the network to compare with, found None")
        with self._in(self.averaging, _IdentityFrame(self.averaging.frame.group)):
            return measure(self.model)

    @staticmethod
    @contextmanager
    def _in(averaging: FrameAveraging, frame: Frame) -> Iterator[None]:
        kept, averaging.frame = averaging.frame, frame
        try:
            yield
        finally:
            averaging.frame = kept

    def _reps(self, reps: Named[RepLike] | None) -> dict[Name, RepLike]:
        call = self.system.call
        if reps is None:
            declared = {} if self.averaging is None else self.averaging.inputs
            reps = {name: rep for name, rep in declared.items() if call.get(name) is not None}
        named = {call.signature.name(k) if isinstance(k, int) else k: rep for k, rep in reps.items()}
        return {self.system.name: "point", **named}

    def _group(self, group: GroupLike) -> Group:
        dim = self.pos.size(1)
        if isinstance(group, str) and group == "auto":
            group = f"E({dim})" if self.averaging is None else self.averaging.frame.group
        group = Group.of(group)
        if group.dim != dim:
            raise ValueError(f"group: expected one of {dim} dimensions, found {group}")
        return group


class _CountedFrame(MotionFrame):
    """Wrapper of a frame that records the numbers of frames."""

    def __init__(self, frame: Frame) -> None:
        super().__init__(frame.group)
        self.frame = frame
        self.counts: list[Tensor] = []

    def build(self, cloud: Cloud) -> MotionFrames:
        frames = as_motions(self.frame.evaluate(cloud))
        self.counts.append(frames.counts.cpu())
        return frames


class _IdentityFrame(MotionFrame):
    """Constant frame: the coordinate axes, at the centroid if the group has translations.

    Without the derivative of the centroid, which would remove the net force of the bare network.
    """

    def build(self, cloud: Cloud) -> Frames:
        origin = cloud.origin(self.group)
        return identity_frames(cloud, None if origin is None else origin.detach(), self.group.dim)


def _averaging(model: Callable, bare: Callable | None) -> FrameAveraging | None:
    """Framed network inside a model; None if there is none and ``bare`` is given."""
    parts = model.modules() if isinstance(model, nn.Module) else ()
    found = [part for part in parts if isinstance(part, FrameAveraging) and part.frame.group.dim]
    if len(found) != 1 and bare is None:
        raise ValueError(
            f"bare: expected the network to compare with, found None for a {type(model).__name__} with "
            f"{len(found)} FrameAveraging"
        )
    return found[0] if len(found) == 1 else None
