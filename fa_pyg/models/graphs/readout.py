"""What the models of graphs share: checked inputs, sums over nodes, the last layers, widths."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn

from fa_pyg import checks
from fa_pyg.batches import check_batch
from fa_pyg.math.linalg import mean, scatter_sum

__all__ = ["Activation", "Head", "Readout", "check_edge_index", "check_graphs", "checked_batch", "widths"]

# In a configuration: the name of a module, or of a function that says what it returns (torch.relu does not).
Activation = nn.Module | Callable[[Tensor], Tensor]


class Head(nn.Module):
    r"""The last layers of a model of graphs: :math:`W h + b`, or :math:`W_2\, a(W_1 h + b_1) + b_2`.

    Args:
        width: of h.
        out_channels: of the output.
        hidden: of the layer between; default None: there is none.
        act: a.

    Shapes: ``[B, width]`` to ``[B, out_channels]``.
    """

    def __init__(
        self, width: int, out_channels: int, hidden: int | None = None, act: Activation = nn.functional.relu
    ) -> None:
        super().__init__()
        checks.size("width", width)
        checks.size("out_channels", out_channels)
        checks.size("head", hidden, optional=True)
        checks.function("act", act)
        self.first = None if hidden is None else nn.Linear(width, hidden)
        self.last = nn.Linear(width if hidden is None else hidden, out_channels)
        self.act = act

    def forward(self, h: Tensor) -> Tensor:
        return self.last(h if self.first is None else self.act(self.first(h)))


class Readout(nn.Module):
    """The sum or the mean of each graph's nodes, and a :class:`Head` on it.

    Args:
        width, out_channels, head, act: of the head.
        readout: ``"sum"`` or ``"mean"``.

    Shapes: ``[N, width]``, ``batch [N]`` to ``[B, out_channels]``. Graphs without nodes sum to 0; at the end
    of the batch they cannot be seen.
    """

    def __init__(
        self,
        width: int,
        out_channels: int,
        readout: str = "sum",
        head: int | None = None,
        act: Activation = nn.functional.relu,
    ) -> None:
        super().__init__()
        self.mean = is_mean(readout)
        self.head = Head(width, out_channels, head, act)

    def forward(self, h: Tensor, batch: Tensor) -> Tensor:
        size = int(batch.max()) + 1 if len(batch) else 0
        return self.head((mean if self.mean else scatter_sum)(h, batch, size))


def is_mean(readout: str) -> bool:
    """Whether graphs are read out by means."""
    return checks.one_of("readout", readout, ("sum", "mean")) == "mean"


def widths(in_channels: int, hidden: int | Sequence[int], num_layers: int) -> list[int]:
    """The widths before, between and after ``num_layers`` layers; ``hidden`` is one for all, or one each."""
    checks.size("in_channels", in_channels, 0)
    checks.integer("num_layers", num_layers, 1, checks.DEEP)
    listed = isinstance(hidden, Iterable) and not isinstance(hidden, str | Tensor)
    each = list(hidden) if listed else [hidden] * num_layers
    wanted = f"a positive width (at most {checks.WIDE}), or one for each of {num_layers} layers"
    if len(each) != num_layers or any(not checks.is_integer(width, 1, checks.WIDE) for width in each):
        checks.refuse("hidden", wanted, hidden)
    return [in_channels, *map(int, each)]


def check_edge_index(edge_index: Tensor) -> None:
    """Raises a ValueError unless these can be edges; their numbers are not looked at."""
    checks.instance("edge_index", edge_index, Tensor, "a tensor")
    if edge_index.dim() != 2 or len(edge_index) != 2 or edge_index.dtype != torch.long:
        found = f"{edge_index.dtype} {list(edge_index.shape)}"
        raise ValueError(f"edge_index: expected integers (int64) [2, E], found {found}")


def check_graphs(edge_index: Tensor, batch: Tensor) -> None:
    """Raises a ValueError unless these can be the edges of graphs and the graph of each node."""
    check_edge_index(edge_index)
    checks.instance("batch", batch, Tensor, "a tensor")
    check_batch(batch)


def checked_batch(x: Tensor, edge_index: Tensor, batch: Tensor | None, in_channels: int) -> Tensor:
    """Returns ``batch`` (of one graph where it is None) once the inputs have the shapes they should have.

    Raises:
        ValueError: naming the argument. The numbers in ``edge_index`` are not looked at.
    """
    if x.dim() != 2 or not x.is_floating_point() or (in_channels and x.size(1) != in_channels):
        features = in_channels or "any"
        raise ValueError(f"x: expected floating point [N, {features}], found {x.dtype} {list(x.shape)}")
    check_edge_index(edge_index)
    if batch is None:
        return edge_index.new_zeros(len(x))
    check_batch(batch)
    if batch.shape != (len(x),) or batch.dtype != torch.long:
        raise ValueError(
            f"batch: expected {len(x)} integers (int64), found {batch.dtype} {list(batch.shape)}"
        )
    return batch
