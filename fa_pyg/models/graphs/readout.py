"""Common parts of graph models: checks of inputs, sums over nodes, output layers, widths."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from fa_pyg import checks
from fa_pyg.batches import check_batch, graph_count
from fa_pyg.math.linalg import mean, scatter_sum

__all__ = [
    "Activation",
    "OutputMLP",
    "Readout",
    "check_edge_index",
    "check_graphs",
    "checked_batch",
    "is_mean",
    "widths",
]

# In a configuration: the name of a module, or of a function with annotations (torch.relu has none).
Activation = nn.Module | Callable[[Tensor], Tensor]


class OutputMLP(nn.Module):
    r"""Output layers of a graph model: :math:`W h + b`, or :math:`W_2\, a(W_1 h + b_1) + b_2`.

    Args:
        in_channels: width of h.
        out_channels: width of the output.
        hidden_channels: width of the hidden layer; None for a linear map.
        act: a.

    Shapes: ``[B, in_channels]`` to ``[B, out_channels]``.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        hidden_channels: int | None = None,
        act: Activation = nn.functional.relu,
    ) -> None:
        super().__init__()
        checks.size("hidden_channels", in_channels)  # of the model
        checks.size("out_channels", out_channels)
        checks.size("head", hidden_channels, optional=True)
        checks.function("act", act)
        self.first = None if hidden_channels is None else nn.Linear(in_channels, hidden_channels)
        self.last = nn.Linear(in_channels if hidden_channels is None else hidden_channels, out_channels)
        self.act = act

    def forward(self, h: Tensor) -> Tensor:
        return self.last(h if self.first is None else self.act(self.first(h)))


class Readout(nn.Module):
    """Sum or mean over the nodes of each graph, followed by an :class:`OutputMLP`.

    Args:
        in_channels, out_channels, act: as in :class:`OutputMLP`.
        readout: ``"sum"`` or ``"mean"``.
        head: hidden width of the output MLP; None for a linear map.

    Shapes: ``[N, in_channels]``, ``batch [N]`` to ``[B, out_channels]``. Graphs without nodes sum to 0, but
    are not counted at the end of the batch.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        readout: str = "sum",
        head: int | None = None,
        act: Activation = nn.functional.relu,
    ) -> None:
        super().__init__()
        self.mean = is_mean(readout)
        self.head = OutputMLP(in_channels, out_channels, head, act)

    def forward(self, h: Tensor, batch: Tensor) -> Tensor:
        return self.head((mean if self.mean else scatter_sum)(h, batch, graph_count(batch)))


def is_mean(readout: str) -> bool:
    """Whether a readout, checked, is the mean."""
    return checks.one_of("readout", readout, ("sum", "mean")) == "mean"


def widths(in_channels: int, hidden_channels: int | Sequence[int], num_layers: int) -> list[int]:
    """List the widths before, between and after ``num_layers`` layers.

    Args:
        in_channels: width before the first.
        hidden_channels: the same for all layers, or a sequence.
        num_layers: number of layers.

    Raises:
        ValueError: for widths out of range, or a sequence of another length.
    """
    checks.size("in_channels", in_channels, 0)
    checks.integer("num_layers", num_layers, 1, checks.DEEP)
    given: Any = hidden_channels
    listed = isinstance(given, Iterable) and not isinstance(given, str | Tensor)
    found: list[Any] = list(given) if listed else [given] * num_layers
    if len(found) != num_layers or any(not checks.is_integer(width, 1, checks.WIDE) for width in found):
        expected = f"a positive integer up to {checks.WIDE}, or a sequence of {num_layers} of them"
        checks.refuse("hidden_channels", expected, hidden_channels)
    return [in_channels, *map(int, found)]


def check_edge_index(edge_index: Tensor) -> None:
    """Check type and shape of edges; their values are not read.

    Raises:
        ValueError: for anything but int64 ``[2, E]``.
    """
    checks.instance("edge_index", edge_index, Tensor, "a tensor")
    if edge_index.dim() != 2 or len(edge_index) != 2 or edge_index.dtype != torch.long:
        found = f"{edge_index.dtype} {list(edge_index.shape)}"
        raise ValueError(f"edge_index: expected integers (int64) [2, E], found {found}")


def check_graphs(edge_index: Tensor, batch: Tensor) -> None:
    """Check type and shape of the edges and of the graph index of a batch; their values are not read.

    Raises:
        ValueError: naming the argument.
    """
    check_edge_index(edge_index)
    checks.instance("batch", batch, Tensor, "a tensor")
    check_batch(batch)


def checked_batch(x: Tensor, edge_index: Tensor, batch: Tensor | None, in_channels: int) -> Tensor:
    """Check the inputs of a graph model, and return ``batch`` (zeros for None, a single graph).

    Raises:
        ValueError: naming the argument, for wrong types and shapes. Values of ``edge_index`` are not read.
    """
    if x.dim() != 2 or not x.is_floating_point() or (in_channels and x.size(1) != in_channels):
        features = in_channels or "any"
        raise ValueError(f"x: expected floating point [N, {features}], found {x.dtype} {list(x.shape)}")
    check_edge_index(edge_index)
    if batch is None:
        return edge_index.new_zeros(len(x))
    check_batch(batch)
    if batch.shape != (len(x),) or batch.dtype != torch.long:
        raise ValueError(f"batch: expected int64 [{len(x)}], found {batch.dtype} {list(batch.shape)}")
    return batch
