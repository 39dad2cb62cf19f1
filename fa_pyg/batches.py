"""Validation of ``batch`` and of indices into it, and slices of collated batches."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad
from torch_geometric.data import Batch, Data

from fa_pyg.math.linalg import is_at_hand
from fa_pyg.reps import Rep

__all__ = [
    "add_slices",
    "channels_or_samples",
    "check_batch",
    "check_edges",
    "check_indices",
    "graph_count",
    "holds",
    "increments_by_name",
    "is_exporting",
]


_EMPTY = 1 << 20  # allowed graphs without nodes: a larger number is a mistake, and would take all memory


def check_batch(batch: Any, name: str | int = "batch") -> None:
    """Raise ValueError if ``batch`` is neither None nor a vector of int64."""
    if batch is None:
        return
    found = f"a {type(batch).__name__}"
    if isinstance(batch, Tensor):
        if batch.dim() == 1 and batch.dtype == torch.long and batch.layout is torch.strided:
            return
        found = f"{batch.dtype} {list(batch.shape)}"
        found += "" if batch.layout is torch.strided else f" ({batch.layout})"
    raise ValueError(f"{name}: expected the graph of each node, int64 [N], found {found}")


def graph_count(batch: Tensor, given: Any = None, name: str = "num_graphs", batch_name: str = "batch") -> int:
    """Return the number of graphs: ``given``, or the largest entry of ``batch`` plus one.

    Entries are checked on CPU only, to avoid a device sync; counting is a device sync.

    Raises:
        ValueError: unless ``given`` is an integer >= 0, not far above the nodes, and above all entries.
    """
    if given is None and is_exporting():
        raise ValueError(
            f"{name}: expected the number of graphs, which torch.export cannot count, found None"
        )
    given = None if given is None else _whole(given, name)
    most = batch.size(0) + _EMPTY
    if given is not None and given > most:
        raise ValueError(f"{name}: expected at most {most} graphs of {batch.size(0)} nodes, found {given}")
    if not batch.size(0):
        return given or 0
    at_hand = is_at_hand(batch)
    if given is not None and not at_hand:
        return given
    low, high = map(int, batch.aminmax()) if at_hand else (0, int(batch.max()))
    count = high + 1 if given is None else given
    if low < 0 or high >= count:
        wanted = "from 0 on" if given is None else f"from 0 to {count - 1} ({name}={given})"
        raise ValueError(f"{batch_name}: expected graphs numbered {wanted}, found {low} to {high}")
    if count > most:
        raise ValueError(
            f"{batch_name}: expected at most {most} graphs of {batch.size(0)} nodes, found {high}"
        )
    return count


def check_indices(indices: Tensor, least: int, count: int, name: Any) -> None:
    """Raise ValueError for node indices outside least, ..., count - 1 (checked on CPU only)."""
    if not indices.numel() or not is_at_hand(indices):
        return
    low, high = map(int, indices.aminmax())
    if low < least or high >= count:
        raise ValueError(f"{name}: expected nodes from 0 to {count - 1}, found {low} to {high}")


def check_edges(edge_index: Tensor, batch: Tensor, name: Any = "edge_index") -> None:
    """Raise ValueError for edges between graphs and out-of-range node indices (checked on CPU only)."""
    if not is_at_hand(edge_index):
        return
    check_indices(edge_index, 0, batch.size(0), name)
    tail, head = batch[edge_index]
    if not torch.equal(tail, head):
        edge = int((tail != head).nonzero()[0])
        i, j = edge_index[:, edge].tolist()
        raise ValueError(
            f"{name}: expected edges within graphs, found one from node {i} of graph {int(tail[edge])} "
            f"to node {j} of graph {int(head[edge])}"
        )


def add_slices(
    data: Batch, counts: Mapping[str, Tensor], increments: Mapping[str, Tensor] | None = None
) -> None:
    """Make a batch separable again after attributes were added to it, as if its graphs had come with them.

    Args:
        data: collated.
        counts: by attribute, the number of rows of each graph, ``[B]``.
        increments: by attribute, the offset of its values in each graph, ``[B]``; default 0.
    """
    slices = {name: pad(count.cpu().cumsum(0), (1, 0)) for name, count in counts.items()}
    incs = {name: torch.zeros_like(slices[name][1:]) for name in counts}
    incs |= {name: value.cpu() for name, value in (increments or {}).items()}
    # New dicts: copies of a batch share theirs.
    batch: Any = data  # PyG does not declare these attributes
    batch._slice_dict = {**batch._slice_dict, **slices}
    batch._inc_dict = {**batch._inc_dict, **incs}


def increments_by_name(data: Any) -> bool:
    """Whether collation offsets the attributes of a ``Data`` by PyG's rule for names alone."""
    return type(data).__inc__ is Data.__inc__


def holds(mask: Tensor) -> bool:
    """Whether any entry is true; False where reading it would be a device sync."""
    return is_at_hand(mask) and bool(mask.any())


def is_exporting() -> bool:
    """Whether ``torch.export`` is tracing; False in its strict mode, and in torch that does not tell.

    Torch 2.10 and older take every ``torch.compile`` for an export in strict mode.
    """
    tells = hasattr(torch.compiler, "is_exporting") and not torch.compiler.is_dynamo_compiling()
    return tells and torch.compiler.is_exporting()


def _whole(value: Any, name: str) -> Any:  # an int, or a SymInt
    if torch.compiler.is_compiling() and isinstance(value, (int, torch.SymInt)):
        return value  # a check would make it a constant of the compiled code
    try:
        number = -1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = -1
    if number < 0:
        raise ValueError(f"{name}: expected a whole number of graphs, found {value!r}")
    return number


def channels_or_samples(name: str | int, value: Tensor, rep: Rep, dim: int) -> str | None:
    """Return an error for an input without ``batch`` that may be a dense batch; None where it is clear.

    ``[B, T, d]`` is either one cloud of B nodes with T channels, or a dense batch of B clouds, which would
    share one frame by mistake.

    Args:
        name: the name of the input.
        value: the input.
        rep, dim: its representation, and the dimension of space.
    """
    shape = rep.layout(tuple(value.shape), dim, repr(name))
    rows, *channels = shape[: len(shape) - rep.rank] or (1,)
    if rows < 2 or not channels or (rep.flat and channels == [1]):
        return None
    inner = " x ".join(map(str, channels))
    return (
        f"{name!r}: expected `batch` for {list(value.shape)}, found none: for {rows} clouds of {inner} "
        f"points (a dense batch) call with batch=torch.arange({rows}), for one cloud of {rows} nodes with "
        f"{inner} channels with batch=torch.zeros({rows}, dtype=torch.long)"
    )
