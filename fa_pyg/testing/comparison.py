"""A framed network and the bare one inside it, measured on the same displaced and turned structures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from fa_pyg import checks
from fa_pyg.builders import Cloud, Frame, MotionFrame
from fa_pyg.builders.pca import identity_frames
from fa_pyg.calls import Name
from fa_pyg.frames import Frames
from fa_pyg.groups import Group, GroupLike
from fa_pyg.nn.averaging import FrameAveraging
from fa_pyg.reps import RepLike
from fa_pyg.testing.energies import Displaced, Inputs, System

__all__ = ["NODES", "Comparison"]

NODES = 1024  # in a call: what the backward keeps of all frames is bounded
Measure = Callable[[Callable], Tensor]


class Comparison:
    """A call of a framed model, to be compared with that of the bare network.

    Args:
        model, inputs, pos, energy, forces: as :class:`~fa_pyg.testing.energies.System` has them.
        bare: the network to compare with; default that of the one framed network inside ``model``.
        input_reps: the inputs that turn; default those that the framed network declares, and the positions.
        group: what structures are turned in; "auto" for that of the frame, E(d) where there is none.

    Raises:
        ValueError: for a model without one framed network and no ``bare``; a group of another dimension.
    """

    def __init__(
        self,
        model: Callable,
        inputs: Inputs,
        pos: Name,
        energy: Any,
        forces: Any,
        bare: Callable | None,
        input_reps: Mapping[Name, RepLike] | None,
        group: GroupLike,
    ) -> None:
        checks.function("model", model)
        checks.function("bare", bare, optional=True)
        self.model, self.other, self.averaging = model, bare, _averaging(model, bare)
        self.system = System(model, inputs, pos, energy, forces)
        self.reps, self.group = self._reps(input_reps), self._group(group)

    @property
    def pos(self) -> Tensor:
        return self.system.pos

    def turns(self, count: int, generator: torch.Generator) -> Tensor:
        """Random orientations of each graph, ``[count, B, d, d]``."""
        size, dim = self.system.layout.num_graphs, self.group.dim
        found = self.group.haar(count * size, generator, dtype=torch.float64)
        return found.view(count, size, dim, dim).to(self.pos)

    def copies(self, shift: Tensor, turns: Tensor, nodes: int) -> Displaced:
        """Copies displaced by ``shift [K, N, d]``, each K / M of them in one of M orientations."""
        rotation = turns.repeat_interleave(len(shift) // len(turns), dim=0)
        return Displaced(self.system, shift.to(self.pos), rotation, self.reps, nodes)

    def framed(self, measure: Measure) -> tuple[Tensor, Tensor | None]:
        """What is measured of the model, and the number of frames of each structure, where all have some."""
        if self.averaging is None:
            return measure(self.model), None
        with self._in(_Counted(self.averaging.frame)) as frame:
            found = measure(self.model)
        known = sum(map(len, frame.counts))
        if known != found.numel() and self.other is None:  # as of crystals, whose frames are others
            raise ValueError(
                "bare: expected the network to compare with, found None for a model that asks its frame "
                f"{known} times for {found.numel()} structures"
            )
        return found, torch.cat(frame.counts) if known == found.numel() else None

    def bare(self, measure: Measure) -> Tensor:
        """The same of the bare network."""
        if self.other is not None:
            return measure(self.other)
        with self._in(_Unturned(self.averaging.frame.group)):
            return measure(self.model)

    @contextmanager
    def _in(self, frame: Frame) -> Iterator[Frame]:
        kept, self.averaging.frame = self.averaging.frame, frame
        try:
            yield frame
        finally:
            self.averaging.frame = kept

    def _reps(self, reps: Mapping[Name, RepLike] | None) -> dict[Name, RepLike]:
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


class _Counted(MotionFrame):
    """Another frame, whose numbers of frames are kept."""

    def __init__(self, frame: Frame) -> None:
        super().__init__(frame.group)
        self.frame, self.counts = frame, []

    def build(self, cloud: Cloud) -> Frames:
        frames = self.frame.evaluate(cloud)
        self.counts.append(frames.counts.cpu())
        return frames


class _Unturned(MotionFrame):
    """One constant frame: the axes of the coordinates, at the centroid where the group translates.

    The derivative of the centroid would take the net force out of the bare network's forces.
    """

    def build(self, cloud: Cloud) -> Frames:
        origin = cloud.origin(self.group)
        return identity_frames(cloud, None if origin is None else origin.detach(), self.group.dim)


def _averaging(model: Callable, bare: Callable | None) -> FrameAveraging | None:
    """The framed network inside a model; None where there is none and ``bare`` is given."""
    parts = model.modules() if isinstance(model, nn.Module) else ()
    found = [one for one in parts if isinstance(one, FrameAveraging) and one.frame.group.dim]
    if len(found) != 1 and bare is None:
        raise ValueError(
            f"bare: expected the network to compare with, found None for a {type(model).__name__} that holds "
            f"{len(found)} FrameAveraging"
        )
    return found[0] if len(found) == 1 else None
