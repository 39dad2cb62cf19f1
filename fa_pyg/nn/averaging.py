"""The operator: frame averaging round any model."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from fa_pyg import checks
from fa_pyg.builders import Frame
from fa_pyg.calls import Call, Layout, Name, Reading, Signature
from fa_pyg.calls.declared import NodeWeight
from fa_pyg.calls.reading import shown
from fa_pyg.calls.undeclared import looks_geometric, warn_once
from fa_pyg.copies import Copies
from fa_pyg.frames import FrameSet
from fa_pyg.nn.outputs import Outputs, check_level, has_level, output_spec
from fa_pyg.reps import Rep, RepLike

__all__ = ["FrameAveraging", "uses_batch_statistics"]

Output = RepLike | Sequence[RepLike] | Mapping[str, RepLike]


class FrameAveraging(nn.Module):
    r"""Frame averaging round any model, which makes it equivariant (Puny et al. 2022).

    .. math:: \langle\Phi\rangle(x) = \sum_{g \in F(x)} w_g\, \rho_{out}(g)\, \Phi(\rho_{in}(g)^{-1} x)

    The framed model is called exactly as the model itself; a ``batch`` that the model does not take is
    used for the frames and not passed on. A model called with a PyG ``Data`` or ``Batch`` finds its inputs
    there by attribute name. With ``frames=``, :class:`~fa_pyg.Frames` computed before (once for
    several models, or in a loader's workers by :class:`fa_pyg.transforms.AddFrames`), it computes none.

    Args:
        model: any module; its ``forward`` names the inputs.
        frame: the frame F, e.g. ``PCAFrame("E(3)")``.
        inputs: the representation of each input that transforms, by parameter name, by position, or by
            attribute of the ``Data`` argument. All others are taken as invariant, with a warning for those
            that have the shape of vectors; "scalar" says that they are. Points in ångström or any other unit:
            the output is in the model's.
        output: the representation of the output; a tuple or a dict of them where the model returns one.
            Default "scalar", with a warning for an output of the shape of vectors.
        reads: the inputs that the axes are made of; default the first that transforms. All are handed to the
            frame. Under S(n) what tells nodes and edges apart; default all of them but those attributes of a
            Data that are masks or named as targets (``y``, ``label``, ``*_target``, ...).
        node_weight: invariant node weights > 0 for the frame: the name of an argument, a callable of the
            dict of the call's values, or None. Default "auto": integers ``z`` (atomic numbers, or types
            counted from 0) where the call has them.
        level: "node" or "graph" where the output's size does not tell, "edge" for edge-level outputs always;
            or one for each output. "edge" are the rows of ``edge_index``, or of pairs such as
            ``edge_label_index`` where the number of rows fits these; the name of an argument says its rows.
        levels: the level of arguments whose name and size do not tell: "node", "edge", "graph", "index"
            for node numbers (their entries along the last axis are a level of their own, as pairs are),
            "node_index" for node numbers with a row for each node, "shared" for no level, "place" for rows
            that belong to places, not to nodes. Integers that may be node numbers, whose name says neither
            so ("index" in it) nor that they are features, must be declared where nodes or copies are numbered
            anew.
        chunk: slots (frames a graph) that share one call of the model. Default: 1; if the model takes
            ``batch``, all on an accelerator, and on a CPU as many as make no more graphs than the batch has.
            Of one graph without ``batch`` the first slot goes alone unless ``level`` is "node" or "edge": its
            output may have a row for the graph or not. While BatchNorm trains, always all: its statistics
            then belong to all copies together, as equivariance asks.

    Shapes:
        inputs as the model takes them: the last ``rank`` axes of length d, those between are channels,
        ``[N, C, d]``; the output as the model gives it. A dense batch ``[B, T, d]`` of B clouds of T points
        is called with ``batch=torch.arange(B)``; all T count as points, padding too (call with ``[N, d]`` and
        ``batch``, and pad inside the model by PyG's ``to_dense_batch``).

    Raises:
        ValueError: for a name that the call does not have, a shape that does not fit its representation,
            points ``[B, T, d]`` without ``batch``, an output whose level is not clear, several copies in one
            call of a model that takes no ``batch``, a model that changes its arguments in place, which the
            next slot would see, or ``frames=`` that do not fit this batch in size, or carry no gradient where
            an input asks for one.

    Not guaranteed: more than the frame guarantees (see there). Dropout draws anew for every copy, so that
    single training steps are equivariant in expectation only.
    """

    def __init__(
        self,
        model: nn.Module,
        frame: Frame,
        inputs: Mapping[Name, RepLike] | None = None,
        output: Output | None = None,
        reads: Sequence[Name] | None = None,
        node_weight: NodeWeight = "auto",
        level: Any = None,
        levels: Mapping[Name, str] | None = None,
        chunk: int | None = None,
    ) -> None:
        super().__init__()
        checks.instance("model", model, nn.Module, "a torch.nn.Module")
        checks.integer("chunk", chunk, optional=True)
        self.model = model
        self.signature = Signature(model)
        self.reading = Reading.of(frame, self.signature, inputs, reads, node_weight, levels)
        self.frame = frame
        self.output = output_spec("scalar" if output is None else output)
        self.output_is_said = output is not None
        self.reading.check_output(self.output)
        self.level = level
        self.chunk = chunk
        takes_data = len(self.signature.named) < 2  # perhaps: its attributes are not known yet
        known = None if takes_data else (*self.signature.named, *self.levels, *self.inputs)
        check_level(self.output, level, known)

    @property
    def inputs(self) -> dict[Name, Rep]:
        """The representation of each declared input."""
        return self.reading.inputs

    @property
    def reads(self) -> list[Name] | None:
        return self.reading.reads

    @property
    def node_weight(self) -> NodeWeight:
        return self.reading.node_weight

    @property
    def levels(self) -> dict[Name, str]:
        return self.reading.levels

    def forward(self, *args, **kwargs) -> Any:
        given = self._pop_frames(kwargs)
        call = Call(self.signature, args, kwargs, extra=self.reading.extra())
        layout = self.reading.layout(call, self._pairs_may_be_edges)
        frames = self.reading.frames(self.frame, layout, given)  # F(x)
        self._warn_undeclared(layout)
        framed = self.reading.framed(layout, frames)  # rho_in(g)^-1 x
        outputs, versions = Outputs(self.output, self.level, layout, frames), call.versions()
        for slots in Copies(layout, frames).slots(*self._slots_per_call(call, frames)):
            call.check_unchanged(versions)
            part = {name: slots.part(copies, rows) for name, (copies, rows) in framed.items()}
            outputs.add(slots.run(self.model, part), slots)  # Phi
        average = outputs.average()  # sum of w rho_out(g) ...
        self._check_output(average)
        return average

    @property
    def _pairs_may_be_edges(self) -> bool:
        """Whether outputs of the level "edge" could be those of pairs, and none says which pairs."""
        named = (None, "node", "graph", "edge")
        is_edge, is_named = (lambda level: level == "edge"), (lambda level: level not in named)
        return has_level(self.level, is_edge) and not has_level(self.level, is_named)

    def _pop_frames(self, kwargs: dict[str, Any]) -> FrameSet | None:
        """Takes out the frames that the caller passes; any other ``frames`` is an argument of the model's."""
        of_model = self.signature.takes("frames") and not isinstance(kwargs.get("frames"), FrameSet)
        given = None if of_model else kwargs.pop("frames", None)
        if given is not None and not isinstance(given, FrameSet):
            raise ValueError(f"frames: expected fa_pyg.Frames, found a {type(given).__name__}")
        return given

    def _warn_undeclared(self, layout: Layout) -> None:
        """Warns of inputs that look geometric and are not declared."""
        if not torch.compiler.is_compiling():
            for topic, text in self.reading.warn_undeclared(layout).items():
                warn_once(self, topic, text, stacklevel=5)  # whoever calls the module

    def _check_output(self, output: Any) -> None:
        """Warns of an output that looks geometric and whose representation is not declared."""
        if self.output_is_said or torch.compiler.is_compiling():
            return
        if looks_geometric(output, self.frame.group.dim) and output.dim() > 1:
            hint = 'output="vector" (or "point", "pseudovector", "tensor", ...) if it transforms'
            text = f"output: found {list(output.shape)}, averaged as invariant; expected {hint}"
            text = f'{text}; output="scalar" if it does not'
            warn_once(self, "output", text, stacklevel=5)

    # ------------------------------------------------------------------------------ copies

    def _slots_per_call(self, call: Call, frames: FrameSet) -> tuple[int | None, bool]:
        """How many slots share a call of the model (see ``Copies.slots``), and if the first goes alone."""
        slots = len(frames.slot_sizes)
        if slots == 1:
            return 1, False
        if any(map(uses_batch_statistics, self.model.modules())):
            if call.takes_batch:
                return slots, False
            warnings.warn(
                "BatchNorm trains in a model that takes no `batch`: its statistics are taken frame by frame",
                stacklevel=3,
            )
        if self.chunk is not None and self.chunk > 1 and not call.takes_batch:
            raise ValueError(
                f"chunk={self.chunk}: copies can share a call only of a model that takes `batch` "
                f"(or a Data that has it); this one takes {shown(self.signature.named)}"
            )
        # Only the user's own call tells whether an output for one graph without `batch` has a row for it.
        alone = call.get("batch") is None and self.level not in ("node", "edge")
        if self.chunk is None and call.takes_batch:
            return (None if frames.weight.device.type == "cpu" else slots), alone
        return min(self.chunk or 1, slots), alone

    def extra_repr(self) -> str:
        return f"inputs={{{', '.join(f'{k!r}: {v}' for k, v in self.inputs.items())}}}, output={self.output}"


def uses_batch_statistics(module: nn.Module) -> bool:
    return isinstance(module, _BatchNorm) and (module.training or module.running_mean is None)
