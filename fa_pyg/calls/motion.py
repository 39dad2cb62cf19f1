"""Reading of a call for frames of motions: declared inputs as point clouds with node weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from fa_pyg.batches import channels_or_samples
from fa_pyg.builders import Cloud, Frame
from fa_pyg.builders.base import as_motions
from fa_pyg.calls.call import Call, Name, Named
from fa_pyg.calls.declared import (
    check_reads,
    check_weights,
    declared_reps,
    first_read,
    node_weights,
    quantity,
)
from fa_pyg.calls.graphs import UNREAD
from fa_pyg.calls.layout import Layout
from fa_pyg.calls.reading import Reading, nested, shown
from fa_pyg.calls.undeclared import declaration, undeclared
from fa_pyg.frames import FrameSet, Rows
from fa_pyg.frames.motion import MotionFrames
from fa_pyg.reps import Rep, RepLike

__all__ = ["MotionReading"]


class MotionReading(Reading, seen=Cloud):
    """Reading of the inputs of a call that motions transform."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        check_reads(self.reads, self.inputs)
        check_weights(self.inputs)

    def reps(self, inputs: Named[RepLike] | None) -> dict[Name, Rep]:
        return declared_reps(inputs)

    def default_reads(self) -> list[Name]:
        return first_read(self.inputs)

    def check_output(self, spec: Any) -> None:
        """Accept every representation that scales as the points, and the boosted inputs, do."""
        check_weights({**self.inputs, **dict(_reps(spec, "output"))})

    def layout(self, call: Call, pairs_in_edge_order: bool = False) -> Layout:
        self.check_names(call)
        return Layout(call, self.levels, nodes=self.nodes)

    @property
    def _read(self) -> list[Name]:
        return self.reads or []  # never empty: see check_reads

    @property
    def nodes(self) -> Name:
        """Name of an input with one row a node, the first points, or else the first of ``reads``."""
        points = [name for name, rep in self.inputs.items() if rep.affine]
        return (points or self._read)[0]

    def cloud(self, values: Mapping[Name, Tensor], layout: Layout, whole: bool = False) -> Cloud:
        """Return the point cloud that a frame is computed from.

        Args:
            values: the declared inputs that transform; those that only scale are left out.
            layout: the layout of the call.
            whole: drop the index of a batch of a single graph.
        """
        is_single = whole and layout.num_graphs == 1
        values = {k: x for k, x in values.items() if self.inputs[k].moves}
        rows = {k: layout.quantity_rows(k, x) for k, x in values.items()}
        if is_single:
            rows = {k: Rows(r.level, None, values[k].size(0)) for k, r in rows.items()}
        parts = {k: quantity(k, x, self.inputs[k], self.group.dim, rows[k]) for k, x in values.items()}
        weights = node_weights(self.node_weight, layout.call, layout)
        batch = None if is_single else layout.batch
        read = tuple(parts[name] for name in self._read)
        return Cloud(tuple(parts.values()), read, batch, layout.num_graphs, *weights)

    def frames(self, frame: Frame, layout: Layout, given: FrameSet | None = None) -> MotionFrames:
        cloud = self.cloud(dict(self._given(layout.call)), layout)
        self._check_samples(layout)
        if given is None:
            frames = as_motions(frame.evaluate(cloud))
        else:
            frames = as_motions(frame.check(given, layout.num_graphs))
            self._check_gradient(frame, layout.call, frames)
            self._check_origin(frame, layout.call, frames)
        # Without this, a later slot could consist of empty graphs only, which models cannot count.
        empty = None if frames.slots else cloud.empty
        return frames if empty is None or not empty.any() else frames.with_one_frame(empty)

    def framed(self, layout: Layout, frames: FrameSet) -> dict[Name, tuple[Tensor, Rows]]:
        given = ((k, x, layout.quantity_rows(k, x)) for k, x in self._given(layout.call))
        return {k: (frames.to_frame(x, self.inputs[k], rows), rows) for k, x, rows in given}

    def check_names(self, call: Call) -> None:
        given = [name for name, value in call.values.items() if isinstance(value, Tensor)]
        for name in self.inputs:
            if self.inputs[name].is_invariant and (name in call.values or call.data is not None):
                continue  # declared for the calls that have it
            optional = name in self.signature.named and name not in self._read and call.get(name) is None
            if name not in given and call.get(name) is not None:
                found, hint = type(call.get(name)).__name__, ""
                if str(name).endswith("_dict"):
                    hint = ": for several types of nodes see fa_pyg.nn.TypedModel"
                raise ValueError(f"inputs: expected a tensor {name!r}, found a {found}{hint}")
            if name not in given and not optional:
                raise ValueError(f"inputs: expected a tensor {name!r} in the call, found {shown(given)}")
        super().check_names(call)

    def warn_undeclared(self, layout: Layout) -> dict[Name, str]:
        texts: dict[Name, str] = {}
        call = layout.call
        unclear = self._unclear(layout)
        if unclear is not None and not self.inputs[self.nodes].flat:
            texts["batch"] = (
                f'{unclear}, as assumed now (levels={{{self.nodes!r}: "node"}} declares the latter)'
            )
        held = () if call.data is None else call.data.keys()
        read = {k: x for k, x in call.values.items() if not (k in held and UNREAD.fullmatch(str(k)))}
        for key, x in undeclared(read, self.inputs, self.group.dim, layout.sizes).items():
            hint = declaration(self.inputs, key, x)
            texts[key] = f"{key!r}: found {list(x.shape)}, taken as invariant; expected {hint}"
        return texts

    # ------------------------------------------------------------------------------ checks

    def _given(self, call: Call) -> Iterator[tuple[Name, Tensor]]:
        """The declared inputs in this call that transform."""
        moves = (name for name, rep in self.inputs.items() if not rep.is_invariant)
        return ((name, call.get(name)) for name in moves if call.get(name) is not None)

    def _unclear(self, layout: Layout) -> str | None:
        """An error for an input that may be a dense batch; None where it is clear."""
        name, call = self.nodes, layout.call
        if self.levels.get(name) == "node" or layout.batch is not None or call.data is not None:
            return None  # a Data is one graph
        return channels_or_samples(name, call.get(name), self.inputs[name], self.group.dim)

    def _check_samples(self, layout: Layout) -> None:
        """Raise ValueError for points ``[B, T, d]`` without ``batch``, which may be a dense batch."""
        unclear = self._unclear(layout) if self.inputs[self.nodes].affine else None
        if unclear is not None:
            raise ValueError(unclear)

    def _check_origin(self, frame: Frame, call: Call, given: MotionFrames) -> None:
        """Raise ValueError for frames of another group: unless they have an origin exactly if it translates.

        They may have a scale or velocity in addition, as in a random scale.
        """
        wanted = frame.group.translates and any(self.inputs[k].affine for k, _ in self._given(call))
        if (given.origin is not None) != wanted:
            found, expected = ("without", "with") if wanted else ("with", "without")
            raise ValueError(
                f"frames: expected frames of {frame.group}, {expected} an origin, found {found} one"
            )
        for name, wanted in (("scale", frame.group.scales), ("velocity", frame.group.boosts)):
            if wanted and getattr(given, name) is None:
                raise ValueError(f"frames: expected frames of {frame.group}, with a {name}, found none")

    def _check_gradient(self, frame: Frame, call: Call, given: MotionFrames) -> None:
        """Raise ValueError for given frames without a gradient where an input requires one."""
        needs = [name for name, value in self._given(call) if value.requires_grad]
        carried = any(isinstance(x, Tensor) and x.requires_grad for x in vars(given).values())
        accepted = any(getattr(module, "detach", False) for module in frame.modules())
        if needs and torch.is_grad_enabled() and not (carried or accepted):
            raise ValueError(
                f"frames: expected frames that carry the gradient of {needs[0]!r}, found none, so that "
                "forces would be wrong: leave frames= out to compute them here, or give the frame detach=True"
            )


def _reps(spec: Any, path: str) -> Iterator[tuple[str, Rep]]:
    """Yield the representations of an output, by path."""
    if isinstance(spec, Rep):
        yield path, spec
        return
    for key, part in nested(spec):
        yield from _reps(part, f"{path}[{key!r}]")
