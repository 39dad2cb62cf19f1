"""Graphs to run many models on: some at a time, with the frames that do not depend on chance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch

from fa_pyg.builders import SpectralFrame
from fa_pyg.builders.graphs import graphs_of
from fa_pyg.builders.ties import orders
from fa_pyg.nn.averaging import FrameAveraging
from fa_pyg.permutations import PermutationFrames

__all__ = ["Part", "parts_of"]

NODES = 1 << 13  # of one part: its tensors stay in a processor's cache


@dataclass(frozen=True)
class Part:
    """Some graphs, and the call of a model with them.

    Attributes:
        graphs: their numbers ``[b]``.
        args, kwargs: of the call.
        frames: returns frames to hand over with the call; None: the model makes its own.
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
) -> list[Part]:
    """Returns the graphs in parts of about so many nodes, in float64, for this model and others like it.

    Frames that hold all that the frame has to give (``exact_for``) are computed here, once; those that are
    drawn are drawn in every call. Of a spectral frame only the draw is made anew, not the decomposition.
    """
    graphs = graphs.clone()
    graphs = graphs if transform is None else transform(graphs)
    exact = _exact(model, graphs)
    ids = torch.arange(graphs.num_graphs)
    sizes = graphs.ptr.diff().cpu()
    groups = [ids[exact], ids[~exact]]
    pieces = [piece for group in groups for piece in _split(group, sizes[group], nodes)]
    return [_part(model, graphs, piece, inputs) for piece in pieces]


def _exact(model: nn.Module, graphs: Batch) -> Tensor:
    """Which graphs have the same frames in every call ``[G]``; all where the model is not framed."""
    if not _is_framed(model):
        return torch.ones(graphs.num_graphs, dtype=torch.bool)
    return model.frame(graphs.edge_index, graphs.x, batch=graphs.batch).exact_for().cpu()


def _is_framed(model: nn.Module) -> bool:
    """Whether frames can be handed over: the model has some, of orders of nodes, with nothing to train."""
    if not isinstance(model, FrameAveraging) or not model.frame.group.permutes:
        return False
    return not any(True for _ in model.frame.parameters())


def _split(ids: Tensor, sizes: Tensor, nodes: int) -> list[Tensor]:
    """Graphs one after the other, a new part wherever their nodes pass a multiple of ``nodes``."""
    number = sizes.cumsum(0).sub(1).clamp(min=0) // nodes
    counts = torch.unique_consecutive(number, return_counts=True)[1]
    return list(ids.split(counts.tolist())) if len(ids) else []


def _part(model: nn.Module, graphs: Batch, ids: Tensor, inputs: Sequence[str]) -> Part:
    some = Batch.from_data_list(graphs.index_select(ids))
    values = {k: v.double() if v.is_floating_point() else v for k, v in ((k, some[k]) for k in inputs)}
    args = tuple(values.pop(name) for name in list(inputs)[:2])
    frames = _frames(model, some) if _is_framed(model) else None
    return Part(ids, args, {**values, "batch": some.batch}, frames)


def _frames(model: FrameAveraging, some: Batch) -> Callable[[], PermutationFrames] | None:
    frames = model.frame(some.edge_index, some.x, batch=some.batch)
    if bool(frames.exact_for().all()):
        return lambda: frames
    frame = model.frame
    if not isinstance(frame, SpectralFrame):
        return None
    graphs = graphs_of(some.edge_index, some.x, batch=some.batch)
    ranks, numbers = frame.ranks(graphs), graphs.numbers

    def drawn() -> PermutationFrames:
        made = orders(ranks, numbers, frame.max_frames, frame.generator)
        return PermutationFrames.ragged(**made, numbers=numbers, edge_index=graphs.edge_index)

    return drawn
