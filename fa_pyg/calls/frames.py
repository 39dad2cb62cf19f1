"""The frames of one call: computed from what it declares, or handed over and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from fa_pyg.builders import Cloud, Frame, Quantity
from fa_pyg.calls import Call, Layout, Name
from fa_pyg.calls.graphs import read_frames
from fa_pyg.frames import Frames
from fa_pyg.frames.base import FrameSet
from fa_pyg.frames.permutation import PermutationFrames

__all__ = ["motion_frames", "permutation_frames"]


def permutation_frames(
    frame: Frame, call: Call, layout: Layout, reads: Sequence[Name] | None, given: FrameSet | None
) -> PermutationFrames:
    """Returns the orders of the nodes of a call's graphs.

    Raises:
        ValueError: if ``given`` are no frames of these graphs.
    """
    if given is None:
        return read_frames(frame, call, layout, reads)
    frames = frame.check(given, layout.num_graphs)
    if frames.batch is not layout.batch and not torch.equal(frames.batch, layout.batch):
        raise ValueError("frames: expected those of this batch, found others: its graphs have other sizes")
    edges = 0 if layout.edge_index is None else layout.edge_index.size(1)
    for name in ("edge_color", "edge_orbit"):
        value = getattr(frames, name)
        if value is not None and layout.edge_index is not None and len(value) != edges:
            raise ValueError(f"frames: expected those of {edges} edges, found {len(value)}")
    return frames.on(layout.batch, layout.edge_index)


def motion_frames(
    frame: Frame,
    inputs: Mapping[Name, Quantity],
    reads: Sequence[Name],
    weight: tuple[Tensor | None, bool],
    layout: Layout,
    given: FrameSet | None,
) -> Frames:
    """Returns the motions of the graphs of a call, from its declared inputs.

    Raises:
        ValueError: if ``given`` are no frames of these graphs, or have lost the gradient that is asked for.
    """
    read = tuple(inputs[name] for name in reads)
    cloud = Cloud(tuple(inputs.values()), read, layout.batch, layout.num_graphs, *weight)
    if given is None:
        frames = frame.evaluate(cloud)
    else:
        frames = frame.check(given, layout.num_graphs)
        _check_gradient(frame, inputs, given)
        _check_origin(frame, inputs, frames)
    # A call of a later slot could hold nothing but graphs without nodes, which models cannot count.
    empty = None if frames.slots else cloud.empty
    return frames if empty is None or not empty.any() else frames.with_one_frame(empty)


def _check_origin(frame: Frame, inputs: Mapping[Name, Quantity], given: Frames) -> None:
    """Frames of a group that translates know where from; others must not."""
    wanted = frame.group.translates and any(one.rep.affine for one in inputs.values())
    if (given.origin is not None) != wanted:
        found, expected = ("without", "with") if wanted else ("with", "without")
        raise ValueError(f"frames: expected frames of {frame.group}, {expected} an origin, found {found} one")


def _check_gradient(frame: Frame, inputs: Mapping[Name, Quantity], given: Frames) -> None:
    """Frames kept as numbers have forgotten what they were computed from: forces would be wrong."""
    needs = [name for name, one in inputs.items() if one.value.requires_grad]
    carried = any(isinstance(x, Tensor) and x.requires_grad for x in vars(given).values())
    accepted = any(getattr(one, "detach", False) for one in frame.modules())
    if needs and torch.is_grad_enabled() and not (carried or accepted):
        raise ValueError(
            f"frames: {needs[0]!r} requires a gradient, found frames that carry none, so that forces "
            "would be wrong: expected none (they are then computed here), frames that carry it, or a "
            "model whose own frame says detach=True"
        )
