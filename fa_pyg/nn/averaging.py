"""Frame averaging: the operator that makes any model equivariant."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from fa_pyg import checks
from fa_pyg.builders import Frame
from fa_pyg.builders.eager import outside_old_compilers
from fa_pyg.calls import Call, Layout, Name, Named, Reading, Signature
from fa_pyg.calls.declared import NodeWeight
from fa_pyg.calls.reading import shown
from fa_pyg.calls.undeclared import looks_geometric, warn_once
from fa_pyg.copies import Copies, Slots
from fa_pyg.frames import FrameSet, Rows
from fa_pyg.nn.invariants import Invariants, check_offer, keyword
from fa_pyg.nn.output_structure import check_level, has_level, output_spec
from fa_pyg.nn.outputs import Outputs
from fa_pyg.nn.rounding import rounded
from fa_pyg.reps import Rep, RepLike

__all__ = ["FrameAveraging", "uses_batch_statistics"]

Output = RepLike | Sequence[RepLike] | Mapping[str, RepLike]


class FrameAveraging(nn.Module):
    r"""Frame averaging of any model, which makes it equivariant (Puny et al. 2022).

    .. math:: \langle\Phi\rangle(x) = \sum_{g \in F(x)} w_g\, \rho_{out}(g)\, \Phi(\rho_{in}(g)^{-1} x)

    The framed model takes the same call as the model itself; a ``batch`` that the model does not take is
    used for the frames and not passed on. Where the model takes a PyG ``Data`` or ``Batch``, inputs are its
    attributes, by name. Pass ``frames=`` to use :class:`~fa_pyg.Frames` that were computed before: once for
    several models, or in the workers of a loader by :class:`fa_pyg.transforms.AddFrames`.

    Args:
        model: any module; its ``forward`` names the inputs.
        frame: the frame F, e.g. ``PCAFrame("E(3)")``.
        inputs: the representation of each input that transforms, by parameter name, by position, or by
            attribute of the ``Data`` argument. All others are taken as invariant, with a warning for those
            that have the shape of vectors; declare these "scalar" if they are invariant. Points are in
            ångström or any other unit: the output is in the model's.
        output: the representation of the output; a tuple or a dict of them where the model returns one.
            Default "scalar", with a warning for an output of the shape of vectors.
        reads: the inputs that the axes are computed from; default the first that transforms. The frame
            receives all declared inputs. Under S(n): the features that distinguish nodes and edges; default
            all, except attributes of a Data that are masks or named as targets (``y``, ``*_target``, ...).
        node_weight: invariant node weights > 0 for the frame: the name of an argument, a callable of the
            dict of the call's values, or None. Default "auto": integers ``z`` (atomic numbers, or types
            counted from 0) where the call has them.
        level: the level of the output, or of each output: "node" or "graph" where the size is ambiguous;
            "edge" for every edge-level output. "edge" means the rows of ``edge_index``, or of pairs such as
            ``edge_label_index`` where the number of rows fits these. The name of an argument means its rows.
        levels: the level of arguments whose name and size are ambiguous: "node", "edge", "graph", "index" for
            node indices (their entries along the last axis form a separate level, as pairs do), "node_index"
            for node indices with a row for each node, "shared" for tensors without a level, "place" for rows
            that belong to positions in the order, not to nodes. Integers that may be node indices must be
            declared where nodes are reindexed, unless the name identifies them as indices ("index" in it) or
            as features.
        chunk: slots (frames a graph) that share one call of the model. Default: 1; if the model takes
            ``batch``, all on an accelerator, and on a CPU as many as give at most as many graphs as the batch
            has. If the model also takes ``num_graphs``, or shares invariants: on a CPU up to 256 nodes after
            the first slot, and all under ``torch.compile``, which then compiles the network once. For one
            graph without ``batch`` the first slot has a call to itself unless ``level`` is "node" or "edge",
            since its output may or may not have a row for the graph. While BatchNorm trains, always all:
            equivariance needs statistics of all copies together.
        round_inputs: give the model its declared inputs in the type of its parameters, rounded once they are
            expressed in the frames: float64 positions to a float32 model. Default: in the type of the call.
        invariants: compute once, and not in every frame, what a model offers as its invariants
            (:class:`~fa_pyg.nn.invariants.Invariants`): edges by radius, radial filters, tables of neighbors.

    Shapes:
        inputs as the model takes them: the last ``rank`` axes have length d, those between are channels,
        ``[N, C, d]``; the output as the model returns it. Call a dense batch ``[B, T, d]`` of B clouds of T
        points with ``batch=torch.arange(B)``; all T count as points, including padding (instead call with
        ``[N, d]`` and ``batch``, and pad inside the model by PyG's ``to_dense_batch``).

    Raises:
        ValueError: for a name that the call does not have, a shape that does not fit its representation,
            points ``[B, T, d]`` without ``batch``, an output whose level is ambiguous, several copies in one
            call of a model that does not take ``batch``, a model that changes its arguments in place (later
            slots would see that; not noticed for tensors made under ``torch.inference_mode``, which have no
            version counter, and in compiled code), or ``frames=`` that do not fit the sizes of this batch, or
            carry no gradient where an input requires one.

    Not guaranteed: more than the frame guarantees. Dropout draws a new mask for every copy, so that single
    training steps are equivariant in expectation only.
    """

    def __init__(
        self,
        model: nn.Module,
        frame: Frame,
        inputs: Named[RepLike] | None = None,
        output: Output | None = None,
        reads: Sequence[Name] | None = None,
        node_weight: NodeWeight = "auto",
        level: Any = None,
        levels: Named[str] | None = None,
        chunk: int | None = None,
        round_inputs: bool = False,
        invariants: bool = True,
    ) -> None:
        super().__init__()
        checks.instance("model", model, nn.Module, "a torch.nn.Module")
        checks.integer("chunk", chunk, optional=True)
        checks.flag("round_inputs", round_inputs)
        self.model = model
        self.signature = Signature(model)
        self.reading = Reading.of(frame, self.signature, inputs, reads, node_weight, levels)
        self.frame = frame
        self.output = output_spec("scalar" if output is None else output)
        self.output_is_declared = output is not None
        self.reading.check_output(self.output)
        self.level = level
        self.chunk, self.round_inputs = chunk, round_inputs
        self.invariants = checks.flag("invariants", invariants)
        if invariants:
            check_offer(model, self.signature)
        given = [name for name in self.signature.named if name != "invariants"]
        may_take_data = len(given) < 2  # attributes are available in a call only
        names = None if may_take_data else (*given, *self.levels, *self.inputs)
        check_level(self.output, level, names)

    @property
    def inputs(self) -> dict[Name, Rep]:
        """The representation of each declared input."""
        return self.reading.inputs

    @property
    def output_is_said(self) -> bool:
        """Old name of ``output_is_declared``."""
        return self.output_is_declared

    @property
    def reads(self) -> list[Name] | None:
        return self.reading.reads

    @property
    def node_weight(self) -> NodeWeight:
        return self.reading.node_weight

    @property
    def levels(self) -> dict[Name, str]:
        return self.reading.levels

    @outside_old_compilers
    def forward(self, *args, **kwargs) -> Any:
        given = self._pop_frames(kwargs)
        call = Call(self.signature, args, kwargs, extra=self.reading.extra())
        layout = self.reading.layout(call, self._pairs_may_be_edges)
        frames = self.reading.frames(self.frame, layout, given)  # F(x)
        self._warn_undeclared(layout)
        framed = self.reading.framed(layout, frames)  # rho_in(g)^-1 x
        outputs = Outputs(self.output, self.level, layout, frames)
        versions = call.versions()
        copies = Copies(layout, frames)
        shared = self._shared(copies, framed)
        shares = self._takes_copies(call)
        step, first_apart = self._slots_per_call(copies, shares)
        for slots in copies.slots(step, first_apart, lambda: shares and outputs.have_rows()):
            call.check_unchanged(versions)
            added = keyword(None if shared is None else shared.part(slots))
            outputs.add(slots.run(self.model, self._inputs_of(slots, framed), **added), slots)  # Phi
        average = outputs.average()  # sum of w rho_out(g) ...
        self._check_output(average)
        return average

    @property
    def _pairs_may_be_edges(self) -> bool:
        """Whether outputs of the level "edge" may be those of pairs, without a level that names the pairs."""
        named = (None, "node", "graph", "edge")
        is_edge, is_named = (lambda level: level == "edge"), (lambda level: level not in named)
        return has_level(self.level, is_edge) and not has_level(self.level, is_named)

    def _pop_frames(self, kwargs: dict[str, Any]) -> FrameSet | None:
        """Remove and return the frames that the caller passes; other ``frames`` are the model's argument."""
        of_model = self.signature.takes("frames") and not isinstance(kwargs.get("frames"), FrameSet)
        given = None if of_model else kwargs.pop("frames", None)
        if given is not None and not isinstance(given, FrameSet):
            raise ValueError(f"frames: expected fa_pyg.Frames, found a {type(given).__name__}")
        return given

    def _warn_undeclared(self, layout: Layout) -> None:
        """Warn about inputs that look geometric and are not declared."""
        if not torch.compiler.is_compiling():
            for topic, text in self.reading.warn_undeclared(layout).items():
                warn_once(self, topic, text, stacklevel=5)  # the caller of the module

    def _check_output(self, output: Any) -> None:
        """Warn about an output that looks geometric and whose representation is not declared."""
        if self.output_is_declared or torch.compiler.is_compiling():
            return
        if looks_geometric(output, self.frame.group.dim) and output.dim() > 1:
            hint = 'output="vector" (or "point", "pseudovector", "tensor", ...) if it transforms'
            text = f"output: found {list(output.shape)}, averaged as invariant; expected {hint}"
            text = f'{text}; output="scalar" if it does not'
            warn_once(self, "output", text, stacklevel=5)

    # ------------------------------------------------------------------------------ copies

    def _shared(self, copies: Copies, framed: Mapping[Name, tuple[Tensor, Rows]]) -> Invariants | None:
        """Return what the model computes once for all copies, in the first frame."""
        if not self.invariants:
            return None
        layout, frames = copies.layout, copies.frames
        return Invariants.of(
            self.model, self.inputs, layout, frames, lambda: self._inputs_of(copies.first, framed)
        )

    def _inputs_of(self, slots: Slots, framed: Mapping[Name, tuple[Tensor, Rows]]) -> dict[Name, Tensor]:
        """Return the declared inputs of the model in these slots."""
        inputs = slots.parts(framed)
        return rounded(inputs, self.model) if self.round_inputs else inputs

    def _slots_per_call(self, copies: Copies, shares: bool) -> tuple[int | None, bool]:
        """Number of slots that share a call (see ``Copies.slots``); whether the first runs in its own call.

        While BatchNorm trains: all. On an accelerator: all, or ``chunk``. On a CPU: None, which packs slots
        into a call until it holds as many graphs as the batch, or ``shares`` and 256 nodes, or ``chunk``; 1
        without ``batch``. In compiled code: all that may share, as the network is compiled for each call.
        """
        call, frames = copies.layout.call, copies.frames
        slots = len(frames.slot_sizes)
        if slots == 1:
            return 1, False
        if any(map(uses_batch_statistics, self.model.modules())):
            if call.takes_batch:
                return slots, False
            warnings.warn(
                "BatchNorm trains in a model without `batch`: its statistics are taken frame by frame",
                stacklevel=3,
            )
        if self.chunk is not None and self.chunk > 1 and not call.takes_batch:
            raise ValueError(
                f"chunk={self.chunk}: expected a model that takes `batch` (or a Data that has it), so that "
                f"copies can share a call, found one that takes {shown(self.signature.named)}"
            )
        # A call of one graph without `batch` shows whether the output has a row for the graph.
        first_apart = call.get("batch") is None and self.level not in ("node", "edge")
        if self.chunk is None and call.takes_batch:
            is_compiled = torch.compiler.is_compiling() and shares and copies.are_plain
            return (None if frames.weight.device.type == "cpu" and not is_compiled else slots), first_apart
        return min(self.chunk or 1, slots), first_apart

    def _takes_copies(self, call: Call) -> bool:
        """Whether a call of the model may hold more graphs than the batch without the user's word.

        A model that neither is given their number nor offers invariants may have the number built in.
        """
        if call.values.get("num_graphs") is not None:
            return True
        return self.invariants and isinstance(getattr(self.model, "invariants_of", None), Mapping)

    def extra_repr(self) -> str:
        return f"inputs={{{', '.join(f'{k!r}: {v}' for k, v in self.inputs.items())}}}, output={self.output}"


def uses_batch_statistics(module: nn.Module) -> bool:
    return isinstance(module, _BatchNorm) and (module.training or module.running_mean is None)
