"""The operator: frame averaging round any model."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from fa_pyg.builders import Cloud, Frame, Quantity
from fa_pyg.copies import Call, Copies, Layout, Name, Signature
from fa_pyg.nn.outputs import Outputs, output_spec
from fa_pyg.reps import Rep, RepLike

__all__ = ["FrameAveraging"]

Output = RepLike | Sequence[RepLike] | Mapping[str, RepLike]


class FrameAveraging(nn.Module):
    r"""Makes any model equivariant: "Frame Averaging for Invariant and Equivariant Network Design" (Puny et al. 2022).

    .. math:: \langle\Phi\rangle(x) = \sum_{g \in F(x)} w_g\, \rho_{out}(g)\, \Phi(\rho_{in}(g)^{-1} x)

    The framed model is called exactly as the model itself; a ``batch`` that the model does not take is
    used for the frames and not passed on. A model called with a PyG ``Data`` or ``Batch`` finds its inputs
    there by attribute name.

    Args:
        model: any module; its ``forward`` names the inputs.
        frame: the frame F, e.g. ``PCAFrame("E(3)")``.
        inputs: the representation of each input that transforms, by parameter name, by position, or by
            attribute of the ``Data`` argument. All others are taken as invariant. Points in ångström or any
            other unit: the output is in the model's.
        output: the representation of the output; a tuple or a dict of them where the model returns one.
        reads: the inputs that the axes are made of; default the first declared. All are handed to the frame.
        node_weight: invariant node weights > 0 for the frame: the name of an argument, a callable of the
            dict of the call's values, or None. Default "auto": integers ``z`` (atomic numbers) where the
            call has them.
        level: "node", "graph" or "edge", where the output's size does not tell; as ``output`` a tuple or dict.
        levels: the level of arguments whose name and size do not tell; "shared" for no level.
        chunk: slots (frames a graph) that share one call of the model. Default: 1 on a CPU, all on
            an accelerator if the model takes ``batch``. While BatchNorm trains, always all: its statistics
            then belong to all copies together, as equivariance asks.

    Shapes:
        inputs as the model takes them: the last ``rank`` axes of length d; the output as the model gives it.

    Raises:
        ValueError: for a name that the call does not have, a shape that does not fit its representation, an
            output whose level is not clear, or several copies in one call of a model that takes no ``batch``.

    Not guaranteed: more than the frame guarantees (see there). Dropout draws anew for every copy, so that
    single training steps are equivariant in expectation only.
    """

    def __init__(
        self,
        model: nn.Module,
        frame: Frame,
        inputs: Mapping[Name, RepLike] | None = None,
        output: Output = "scalar",
        reads: Sequence[Name] | None = None,
        node_weight: str | Callable[[dict], Tensor] | None = "auto",
        level: Any = None,
        levels: Mapping[Name, str] | None = None,
        chunk: int | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(frame, Frame):
            raise ValueError(f'frame: expected a frame such as PCAFrame("E(3)"), found {frame!r}')
        if chunk is not None and (isinstance(chunk, bool) or not isinstance(chunk, int) or chunk < 1):
            raise ValueError(f"chunk: expected a positive integer or None, found {chunk!r}")
        inputs = {"pos": "point"} if inputs is None else inputs
        if not inputs:
            raise ValueError("inputs: expected at least one input that transforms, found none")
        self.model = model
        self.frame = frame
        self.signature = Signature(model)
        self.inputs = {self._name(k): Rep.of(rep) for k, rep in inputs.items()}
        self.output = output_spec(output)
        self.reads = [self._name(k) for k in reads] if reads is not None else list(self.inputs)[:1]
        unknown = [name for name in self.reads if name not in self.inputs]
        if unknown:
            raise ValueError(f"reads: {unknown[0]!r} is none of the declared inputs {_list(self.inputs)}")
        scalars = [name for name in self.reads if self.inputs[name].rank != 1]
        if scalars:
            raise ValueError(
                f"reads: axes are made of points and vectors, found {self.inputs[scalars[0]]} ({scalars[0]!r})"
            )
        self.node_weight = node_weight
        self.level = level
        self.levels = {self._name(k): v for k, v in (levels or {}).items()}
        wrong = [v for v in self.levels.values() if v not in ("node", "edge", "graph", "shared")]
        if wrong:
            raise ValueError(f'levels: expected "node", "edge", "graph" or "shared", found {wrong[0]!r}')
        self.chunk = chunk

    def _name(self, key: Name) -> Name:
        return self.signature.name(key) if isinstance(key, int) else key

    def forward(self, *args, **kwargs) -> Any:
        call = Call(self.signature, args, kwargs, extra=self._extra())
        self._check_names(call)
        layout = Layout(call, self.levels, nodes=self.reads[0])
        inputs = self._quantities(call, layout)
        frames = self.frame.build(self._cloud(call, layout, inputs))
        framed = {name: frames.to_frame(q.value, q.rep, q.index) for name, q in inputs.items()}
        outputs = Outputs(self.output, self.level, layout)
        slots = len(frames.slot_sizes)
        step = self._slots_per_call(call, slots)
        for first in range(0, slots, step):
            copies = Copies(layout, frames, first, min(first + step, slots))
            part = {name: copies.part(framed[name], q.index, len(q.value)) for name, q in inputs.items()}
            outputs.add(copies.run(self.model, part), copies)
        return outputs.average(frames)

    # ------------------------------------------------------------------------------ the call

    def _extra(self) -> tuple[str, ...]:
        """Keywords that serve the frames, whether the model takes them or not."""
        named = self.node_weight if isinstance(self.node_weight, str) else "batch"
        return ("batch", "num_graphs", named)

    def _check_names(self, call: Call) -> None:
        given = [name for name, value in call.values.items() if isinstance(value, Tensor)]
        for name in self.inputs:
            optional = (
                name in self.signature.named and name not in self.reads and call.values.get(name) is None
            )
            if name not in given and not optional:
                raise ValueError(f"inputs: the call has no tensor {name!r}; it has {_list(given)}")
        wrong = [name for name in self.levels if name not in call.values and name not in self.signature.named]
        if wrong:
            raise ValueError(f"levels: the call has no {wrong[0]!r}; it has {_list(call.values)}")

    def _quantities(self, call: Call, layout: Layout) -> dict[Name, Quantity]:
        present = {name: rep for name, rep in self.inputs.items() if call.values.get(name) is not None}
        return {
            name: Quantity(
                self._checked(name, call.values[name], rep), rep, self._body(name, call.values[name], layout)
            )
            for name, rep in present.items()
        }

    def _checked(self, name: Name, value: Tensor, rep: Rep) -> Tensor:
        rep.layout(tuple(value.shape), self.frame.group.dim, repr(name))
        if value.dim() < (2 if rep.flat else 1 + rep.rank) or not value.is_floating_point():
            raise ValueError(
                f"{name!r}: expected a floating point [n, ...], found {value.dtype} {list(value.shape)}"
            )
        return value

    def _body(self, name: Name, value: Tensor, layout: Layout) -> Tensor | None:
        body = layout.body(name, value)
        if isinstance(body, str):
            raise ValueError(
                f"{name!r} transforms, so it belongs to nodes, edges or graphs and cannot be {body!r}"
            )
        return body

    def _cloud(self, call: Call, layout: Layout, inputs: dict[Name, Quantity]) -> Cloud:
        read = tuple(inputs[name] for name in self.reads)
        return Cloud(
            tuple(inputs.values()), read, layout.batch, layout.num_graphs, self._weight(call, layout)
        )

    def _weight(self, call: Call, layout: Layout) -> Tensor | None:
        if callable(self.node_weight):
            weight = self.node_weight(dict(call.values))
        elif self.node_weight == "auto":
            weight = call.get("z")
            if (
                not isinstance(weight, Tensor)
                or weight.is_floating_point()
                or weight.numel() != layout.num_nodes
            ):
                return None
        elif self.node_weight is None:
            return None
        else:
            weight = call.get(self.node_weight)
        if not isinstance(weight, Tensor) or weight.numel() != layout.num_nodes:
            found = list(weight.shape) if isinstance(weight, Tensor) else weight
            raise ValueError(
                f"node_weight: expected one for each of {layout.num_nodes} nodes, found {found!r}"
            )
        return weight.reshape(-1)

    # ------------------------------------------------------------------------------ copies

    def _slots_per_call(self, call: Call, slots: int) -> int:
        if slots == 1:
            return 1
        holds_batch = call.data is not None and call.data.get("batch") is not None
        takes_batch = (
            holds_batch
            or "batch" in call.arguments
            or (call.data is None and "batch" in self.signature.named)
        )
        trains_norm = self.training and any(
            isinstance(m, _BatchNorm) and m.training for m in self.model.modules()
        )
        if trains_norm and not takes_batch:
            warnings.warn(
                "BatchNorm trains in a model that takes no `batch`: its statistics are taken frame by frame",
                stacklevel=3,
            )
        if trains_norm and takes_batch:
            return slots
        if self.chunk is not None:
            if self.chunk > 1 and not takes_batch:
                raise ValueError(
                    f"chunk={self.chunk}: copies can share a call only of a model that takes `batch` "
                    f"(or a Data that has it); this one takes {_list(self.signature.named)}"
                )
            return min(self.chunk, slots)
        on_cpu = all(v.device.type == "cpu" for v in call.values.values() if isinstance(v, Tensor))
        return slots if takes_batch and not on_cpu else 1

    def extra_repr(self) -> str:
        return f"inputs={{{', '.join(f'{k!r}: {v}' for k, v in self.inputs.items())}}}, output={self.output}"


def _list(names: Any) -> str:
    return ", ".join(map(str, names)) or "nothing"
