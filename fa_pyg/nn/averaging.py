"""The operator: frame averaging round any model."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from fa_pyg import checks
from fa_pyg.batches import channels_or_samples
from fa_pyg.builders import Frame, Quantity
from fa_pyg.calls import LEVELS, Call, Layout, Name, Signature
from fa_pyg.calls.declared import (
    NodeWeight,
    check_node_weight,
    check_reads,
    declared_reps,
    first_read,
    node_weights,
    quantity,
)
from fa_pyg.calls.frames import motion_frames, permutation_frames
from fa_pyg.calls.graphs import UNREAD, graph_layout
from fa_pyg.calls.undeclared import declaration, looks_geometric, undeclared, warn_once
from fa_pyg.copies import Copies
from fa_pyg.frames.base import FrameSet
from fa_pyg.nn.outputs import Outputs, check_level, check_scalars, has_level, output_spec
from fa_pyg.reps import RepLike

__all__ = ["FrameAveraging"]

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
        checks.instance("frame", frame, Frame, 'a frame such as PCAFrame("E(3)")')
        checks.integer("chunk", chunk, optional=True)
        check_node_weight(node_weight)
        self.model = model
        self.frame = frame
        self.signature = Signature(model)
        permutes = frame.group.permutes
        if permutes and inputs:
            raise ValueError(
                f"inputs: expected none for {frame.group}, which permutes all tensors of nodes and edges "
                f"(levels= says which these are), found {inputs!r}"
            )
        declared = {} if permutes else declared_reps(inputs)
        self.inputs = {self._name(k): rep for k, rep in declared.items()}
        self.output = output_spec("scalar" if output is None else output)
        self.output_is_said = output is not None
        read = (None if permutes else first_read(self.inputs)) if reads is None else reads
        if isinstance(read, str) or not isinstance(read, Iterable | None):
            checks.refuse("reads", "a list of inputs or None", read)
        self.reads = None if read is None else [self._name(k) for k in read]
        self.node_weight = node_weight
        self.level = level
        checks.instance("levels", levels, Mapping, 'a dict such as {"x": "node"}', optional=True)
        self.levels = {self._name(k): v for k, v in (levels or {}).items()}
        self.chunk = chunk
        if not permutes:
            check_reads(self.reads, self.inputs)
        else:
            check_scalars(self.output, frame.group)
        self._check_levels()
        takes_data = len(self.signature.named) < 2  # perhaps: its attributes are not known yet
        known = None if takes_data else (*self.signature.named, *self.levels, *self.inputs)
        check_level(self.output, level, known)

    def forward(self, *args, **kwargs) -> Any:
        given = self._pop_frames(kwargs)
        call = Call(self.signature, args, kwargs, extra=self._extra())
        self._check_names(call)
        if self.frame.group.permutes:
            layout, inputs = graph_layout(call, self.levels, self._pairs_may_be_edges), {}
            frames = permutation_frames(self.frame, call, layout, self.reads, given)
        else:
            layout = Layout(call, self.levels, nodes=self._nodes)
            inputs = self._quantities(call, layout)
            self._check_unsaid(call, layout)
            frames = motion_frames(self.frame, inputs, self.reads, self._weights(call, layout), layout, given)
        framed = {k: frames.to_frame(x, self.inputs[k], inputs[k].index) for k, x in self._given(call)}
        outputs, versions = Outputs(self.output, self.level, layout, frames), call.versions()
        for slots in Copies(layout, frames).slots(*self._slots_per_call(call, frames)):
            call.check_unchanged(versions)
            part = {k: slots.part(framed[k], q.index, len(q.value)) for k, q in inputs.items()}
            outputs.add(slots.run(self.model, part), slots)
        average = outputs.average()
        self._check_output(average)
        return average

    # ------------------------------------------------------------------------------ the call

    @property
    def _pairs_may_be_edges(self) -> bool:
        """Whether outputs of the level "edge" could be those of pairs, and none says which pairs."""
        named = (None, "node", "graph", "edge")
        is_edge, is_named = (lambda level: level == "edge"), (lambda level: level not in named)
        return has_level(self.level, is_edge) and not has_level(self.level, is_named)

    def _name(self, key: Name) -> Name:
        return self.signature.name(key) if isinstance(key, int) else key

    def _check_levels(self) -> None:
        for name, level in self.levels.items():
            expected = LEVELS[:3] if name in self.inputs else LEVELS
            if level not in expected:
                raise ValueError(f"levels[{name!r}]: expected one of {_list(expected)}, found {level!r}")

    def _extra(self) -> tuple[str, ...]:
        """Keywords that serve the frames, whether the model takes them or not."""
        return ("batch", "num_graphs", *([self.node_weight] if isinstance(self.node_weight, str) else []))

    @property
    def _nodes(self) -> Name:
        """An input with one row a node: the first points, or what the axes are made of."""
        return next((name for name, rep in self.inputs.items() if rep.affine), self.reads[0])

    def _check_names(self, call: Call) -> None:
        given = [name for name, value in call.values.items() if isinstance(value, Tensor)]
        for name in self.inputs:
            if self.inputs[name].is_invariant and (name in call.values or call.data is not None):
                continue  # said of what some calls have, and of no consequence
            optional = name in self.signature.named and name not in self.reads and call.get(name) is None
            if name not in given and call.get(name) is not None:
                raise ValueError(
                    f"inputs: expected a tensor {name!r}, found a {type(call.get(name)).__name__}"
                )
            if name not in given and not optional:
                raise ValueError(f"inputs: the call has no tensor {name!r}; it has {_list(given)}")
        wrong = [name for name in self.levels if name not in call.values and name not in self.signature.named]
        if wrong:
            raise ValueError(f"levels: the call has no {wrong[0]!r}; it has {_list(call.values)}")

    def _given(self, call: Call) -> Iterator[tuple[Name, Tensor]]:
        """The declared inputs that this call has and that transform."""
        moves = (name for name, rep in self.inputs.items() if not rep.is_invariant)
        return ((name, call.get(name)) for name in moves if call.get(name) is not None)

    def _quantities(self, call: Call, layout: Layout) -> dict[Name, Quantity]:
        dim, given = self.frame.group.dim, list(self._given(call))
        where = {k: (layout.body(k, x), layout.has_nodes(k, x)) for k, x in given}
        return {k: quantity(k, x, self.inputs[k], dim, *where[k]) for k, x in given}

    def _weights(self, call: Call, layout: Layout) -> tuple[Tensor | None, bool]:
        return node_weights(self.node_weight, call, layout)

    def _pop_frames(self, kwargs: dict[str, Any]) -> FrameSet | None:
        """Takes out frames that are handed over; any other ``frames`` is an argument of the model's own."""
        own = self.signature.takes("frames") and not isinstance(kwargs.get("frames"), FrameSet)
        given = None if own else kwargs.pop("frames", None)
        if given is not None and not isinstance(given, FrameSet):
            raise ValueError(f"frames: expected fa_pyg.Frames, found a {type(given).__name__}")
        return given

    # ------------------------------------------------------------------------------ what is not said

    def _check_unsaid(self, call: Call, layout: Layout) -> None:
        """Refuses what may be a dense batch; warns of inputs that look geometric and are not declared.

        Raises:
            ValueError: for points ``[B, T, d]`` without ``batch``.
        """
        name, dim = self._nodes, self.frame.group.dim
        rep, is_said = self.inputs[name], self.levels.get(name) == "node"
        is_said = is_said or layout.batch is not None or call.data is not None  # a Data is one graph
        unclear = None if is_said else channels_or_samples(name, call.get(name), rep, dim)
        if unclear is not None and rep.affine:
            raise ValueError(unclear)
        if torch.compiler.is_compiling():
            return
        if unclear is not None and not rep.flat:
            self._warn("batch", f'{unclear}, as it is taken now (levels={{{name!r}: "node"}} says so, too)')
        held = () if call.data is None else call.data.keys()
        read = {k: x for k, x in call.values.items() if not (k in held and UNREAD.fullmatch(k))}
        for key, x in undeclared(read, self.inputs, dim, layout.sizes).items():
            hint = declaration(self.inputs, key, x)
            self._warn(key, f"{key!r}: found {list(x.shape)}, taken as invariant; expected {hint}")

    def _check_output(self, output: Any) -> None:
        """Warns of an output that looks geometric where nobody has said what it is."""
        if self.output_is_said or self.frame.group.permutes or torch.compiler.is_compiling():
            return
        if looks_geometric(output, self.frame.group.dim) and output.dim() > 1:
            hint = 'output="vector" (or "point", "pseudovector", "tensor", ...) if it transforms'
            text = f"output: found {list(output.shape)}, averaged as invariant; expected {hint}"
            self._warn("output", f'{text}; output="scalar" if it does not')

    def _warn(self, topic: Name, text: str) -> None:
        warn_once(self, topic, text, stacklevel=6)  # whoever calls the module

    # ------------------------------------------------------------------------------ copies

    def _slots_per_call(self, call: Call, frames: FrameSet) -> tuple[int | None, bool]:
        """How many slots share a call of the model (see ``Copies.slots``), and if the first goes alone."""
        slots = len(frames.slot_sizes)
        if slots == 1:
            return 1, False
        if any(map(_uses_batch_statistics, self.model.modules())):
            if call.takes_batch:
                return slots, False
            warnings.warn(
                "BatchNorm trains in a model that takes no `batch`: its statistics are taken frame by frame",
                stacklevel=3,
            )
        if self.chunk is not None and self.chunk > 1 and not call.takes_batch:
            raise ValueError(
                f"chunk={self.chunk}: copies can share a call only of a model that takes `batch` "
                f"(or a Data that has it); this one takes {_list(self.signature.named)}"
            )
        # Only the user's own call tells whether an output for one graph without `batch` has a row for it.
        alone = call.get("batch") is None and self.level not in ("node", "edge")
        if self.chunk is None and call.takes_batch:
            return (None if frames.weight.device.type == "cpu" else slots), alone
        return min(self.chunk or 1, slots), alone

    def extra_repr(self) -> str:
        return f"inputs={{{', '.join(f'{k!r}: {v}' for k, v in self.inputs.items())}}}, output={self.output}"


def _uses_batch_statistics(module: nn.Module) -> bool:
    return isinstance(module, _BatchNorm) and (module.training or module.running_mean is None)


def _list(names: Any) -> str:
    return ", ".join(map(str, names)) or "nothing"
