"""Parts of a batch of graphs to run many models on, with frames that are computed only once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch

from fa_pyg.builders import SpectralFrame
from fa_pyg.builders.base import as_permutations
from fa_pyg.builders.graphs import Graphs
from fa_pyg.builders.ties import orders
from fa_pyg.calls import Call
from fa_pyg.calls.graphs import graph_layout, read_graphs
from fa_pyg.frames.permutation import PermutationFrames
from fa_pyg.nn.averaging import FrameAveraging

__all__ = ["GraphPart", "parts_of"]

NODES = 1 << 13  # of a part, whose tensors then fit a processor's cache


@dataclass(frozen=True)
class GraphPart:
    """Part of a batch of graphs, and the arguments of a model for it.

    Attributes:
        graphs: indices of the graphs ``[b]``.
        args, kwargs: arguments of the model.
        frames: returns frames to pass to the model; None if the model builds them.
    """

    graphs: Tensor
    args: tuple[Tensor, ...]
    kwargs: dict[str, Tensor]
    frames: Callable[[], PermutationFrames] | None

    def __call__(self, model: nn.Module) -> Tensor:
        given: dict[str, Any] = {} if self.frames is None else {"frames": self.frames()}
        return model(*self.args, **self.kwargs, **given)


def parts_of(
    model: nn.Module,
    graphs: Batch,
    inputs: Sequence[str] = ("x", "edge_index"),
    transform: Callable[[Batch], Batch] | None = None,
    nodes: int = NODES,
) -> list[GraphPart]:
    """Split graphs into parts of about ``nodes`` nodes, in float64, for this model and others like it.

    Exact frames (``exact_for``) are computed here, once; sampled frames are drawn again in every call, of
    spectral frames without a new decomposition.
    """
    copied: Any = graphs
    copied = copied.clone()
    copied = copied if transform is None else transform(copied)
    exact = _exact(model, *_call(copied, inputs), copied.num_graphs)
    ids = torch.arange(copied.num_graphs)
    sizes = copied.ptr.diff().cpu()
    groups = [ids[exact], ids[~exact]]
    pieces = [piece for group in groups for piece in _split(group, sizes[group], nodes)]
    return [_part(model, copied, piece, inputs) for piece in pieces]


def _exact(model: nn.Module, args: tuple[Tensor, ...], kwargs: dict[str, Tensor], size: int) -> Tensor:
    """Mask of the graphs with the same frames in every call, ``[G]``; all if the model is not framed."""
    if not _is_framed(model):
        return torch.ones(size, dtype=torch.bool)
    frames = model.frame.evaluate(_read(model, args, kwargs))
    none = torch.zeros(size, dtype=torch.bool)  # unknown exactness: draw again
    return none if frames.exact is None else frames.exact_for().cpu()


def _read(model: FrameAveraging, args: tuple[Tensor, ...], kwargs: dict[str, Tensor]) -> Graphs:
    """Graphs that the model's frame reads from a call."""
    call = Call(model.signature, args, kwargs, extra=("batch",))
    return read_graphs(call, graph_layout(call, model.levels), model.reads)


def _is_framed(model: nn.Module) -> TypeGuard[FrameAveraging]:
    """Whether frames can be passed to the model: a permutation frame without parameters."""
    if not isinstance(model, FrameAveraging) or model.frame.group.dim:
        return False
    return not any(True for _ in model.frame.parameters())


def _split(ids: Tensor, sizes: Tensor, nodes: int) -> list[Tensor]:
    """Split consecutive graphs, whenever their nodes exceed a multiple of ``nodes``."""
    number = sizes.cumsum(0).sub(1).clamp(min=0) // nodes
    counts = torch.unique_consecutive(number, return_counts=True)[1]
    return list(ids.split(counts.tolist())) if len(ids) else []


def _call(graphs: Any, inputs: Sequence[str]) -> tuple[tuple[Tensor, ...], dict[str, Tensor]]:
    values = {k: v.double() if v.is_floating_point() else v for k, v in ((k, graphs[k]) for k in inputs)}
    args = tuple(values.pop(name) for name in list(inputs)[:2])
    return args, {**values, "batch": graphs.batch}


def _part(model: nn.Module, graphs: Batch, ids: Tensor, inputs: Sequence[str]) -> GraphPart:
    args, kwargs = _call(Batch.from_data_list(graphs.index_select(ids)), inputs)
    return GraphPart(ids, args, kwargs, _frames(model, args, kwargs) if _is_framed(model) else None)


def _frames(
    model: FrameAveraging, args: tuple[Tensor, ...], kwargs: dict[str, Tensor]
) -> Callable[[], PermutationFrames] | None:
    graphs = _read(model, args, kwargs)
    frame, known = model.frame, {"edge_index": graphs.edge_index, "edge_color": graphs.edge_color}
    frames = as_permutations(frame.evaluate(graphs)).on(graphs.batch, **known)
    if frames.exact is not None and bool(frames.exact_for().all()):
        return lambda: frames
    if not isinstance(frame, SpectralFrame):
        return None
    ranks, numbers = frame.ranks(graphs), graphs.numbers

    def drawn() -> PermutationFrames:
        made = orders(ranks, numbers, frame.max_frames, frame.generator)
        return PermutationFrames.ragged(**made, numbers=numbers, **known)

    return drawn
