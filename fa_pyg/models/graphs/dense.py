"""Ragged batches of graphs as dense tensors, padded in groups of similar size."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fa_pyg.math.ragged import index_within_body

__all__ = ["Dense", "dense_batches", "in_order"]

# Pairs in a part. On a CPU a part with tens of channels should fit the cache: 11 117 graphs of 8 nodes then
# take a fifth of the time that they take in a single part. Accelerators need large parts.
AT_ONCE = {"cpu": 1 << 14, "else": 1 << 22}


@dataclass(frozen=True)
class Dense:
    """Part of a batch: b graphs padded to n nodes, real nodes first.

    Attributes:
        graphs: indices of the graphs ``[b]``.
        size: n.
        node, slot: indices of their nodes ``[m]``, and the row of each among the b * n padded nodes.
        edge, pair: indices of their edges ``[e]``, and the row of each among the b * n * n pairs (source,
            target).
        full: whether there is no padding.
    """

    graphs: Tensor
    size: int
    node: Tensor
    slot: Tensor
    edge: Tensor
    pair: Tensor
    full: bool

    def nodes(self, x: Tensor) -> Tensor:
        """Pad values of the batch's nodes ``[N, F]`` with zeros to ``[b, n, F]``."""
        out = x.new_zeros(len(self.graphs) * self.size, x.size(1))
        out = out.index_copy(0, self.slot, x.index_select(0, self.node))
        return out.view(len(self.graphs), self.size, -1)

    def edges(self, value: Tensor) -> Tensor:
        """Write edge values ``[E, ...]`` into matrices ``[b, n, n, ...]``; repeated edges add up."""
        out = value.new_zeros(len(self.graphs) * self.size**2, *value.shape[1:])
        out = out.index_add(0, self.pair, value.index_select(0, self.edge))
        return out.view(len(self.graphs), self.size, self.size, *value.shape[1:])

    @property
    def diagonal(self) -> Tensor:
        """Row of the pair of each node with itself, ``[m]``."""
        return self.slot * self.size + self.slot % self.size

    @property
    def mask(self) -> Tensor:
        """Whether each padded node is real, ``[b, n]``."""
        mask = self.slot.new_zeros(len(self.graphs) * self.size, dtype=torch.bool)
        return mask.index_fill_(0, self.slot, True).view(len(self.graphs), self.size)


def dense_batches(
    edge_index: Tensor, batch: Tensor, size: int | None = None, at_once: int | None = None
) -> list[Dense]:
    r"""Split a batch of graphs into a few dense parts, so that small graphs are not padded to large ones.

    Graphs share a part if their numbers of nodes are equal after rounding up to a multiple of a power of two,
    between an eighth and a quarter of the number itself: at most 36 % of the pairs in a part are padding, and
    the number of parts grows with the logarithm of the sizes (and with the amount of work), not with the
    number of graphs.

    Args:
        edge_index: ``[2, E]``, within graphs.
        batch: the graph of each node ``[N]``, in any order.
        size: pad all graphs to this number of nodes, in a single part; default as above.
        at_once: largest number of pairs in a part of several graphs; default by device.

    Raises:
        ValueError: for a graph of more than ``size`` nodes.
    """
    sizes = torch.bincount(batch)
    if size is not None and len(sizes) and (most := int(sizes.max())) > size:
        raise ValueError(f"batch: expected at most max_nodes = {size} nodes a graph, found {most}")
    padded = _padded(sizes) if size is None else torch.full_like(sizes, size)
    at_once = at_once or AT_ONCE.get(batch.device.type, AT_ONCE["else"])
    part, row, size_of_part = _parts(padded, None if size is not None else at_once)
    width, source, target = padded[batch], *edge_index
    local = index_within_body(batch, sizes)
    slot = row[batch] * width + local
    pair = slot[source] * width[source] + local[target]
    groups = [_split(index, len(size_of_part)) for index in (part, part[batch], part[batch[source]])]
    return [
        Dense(graphs, n, node, slot[node], edge, pair[edge], len(node) == len(graphs) * n)
        for n, graphs, node, edge in zip(size_of_part, *groups, strict=True)
    ]


def in_order(parts: list[Dense], rows: list[Tensor], none: Tensor) -> Tensor:
    """Concatenate the parts' rows, one per graph, in the order of the graphs; ``none`` without graphs."""
    graphs = torch.cat([part.graphs for part in parts]) if parts else none.new_zeros(0, dtype=torch.long)
    return torch.cat([none, *rows]).index_select(0, graphs.argsort())


def _padded(sizes: Tensor) -> Tensor:
    """Round sizes up to 1 .. 8, 10, 12, 14, 16, 20, ..."""
    exponent = torch.frexp(sizes.double()).exponent.long()
    step = 1 << (exponent - 3).clamp(min=0)
    return ((sizes + step - 1) // step * step).clamp(min=1)


def _parts(padded: Tensor, at_once: int | None) -> tuple[Tensor, Tensor, list[int]]:
    """Part of each graph, its row in that part, and the padded size of each part."""
    size, kind, count = padded.unique(return_inverse=True, return_counts=True)
    per_part = count.clamp(min=1) if at_once is None else (at_once // size**2).clamp(min=1)
    parts = (count + per_part - 1) // per_part
    rank = index_within_body(kind, count)
    part = (parts.cumsum(0) - parts)[kind] + rank // per_part[kind]
    return part, rank % per_part[kind], size.repeat_interleave(parts).tolist()


def _split(part: Tensor, parts: int) -> tuple[Tensor, ...]:
    """Rows of each part, in their order."""
    counts = torch.bincount(part, minlength=parts).tolist()
    return torch.argsort(part, stable=True).split(counts) if parts else ()
