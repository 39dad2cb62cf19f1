"""Ragged graphs as dense tensors: some graphs of nearly the same size at a time."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fa_pyg.math.ragged import index_within_body

__all__ = ["Dense", "dense_batches", "in_order"]

# Pairs of places in one part. With some tens of channels it stays in a processor's cache, where 11 117 graphs
# of 8 nodes take a fifth of the time that they take together; accelerators want large parts.
AT_ONCE = {"cpu": 1 << 14, "else": 1 << 22}


@dataclass(frozen=True)
class Dense:
    """Some graphs of a batch, each with the same number of places; those of its nodes come first.

    Attributes:
        graphs: their numbers ``[b]``.
        places: n, at least the nodes of each.
        node, slot: the nodes of these graphs ``[m]``, and where each lies among the b * n places.
        edge, pair: their edges ``[e]``, and where each lies among the b * n * n pairs (source, target).
        full: whether every place has a node.
    """

    graphs: Tensor
    places: int
    node: Tensor
    slot: Tensor
    edge: Tensor
    pair: Tensor
    full: bool

    def nodes(self, x: Tensor) -> Tensor:
        """Values of the batch's nodes ``[N, F]`` at their places ``[b, n, F]``, with 0 at the others."""
        out = x.new_zeros(len(self.graphs) * self.places, x.size(1))
        out = out.index_copy(0, self.slot, x.index_select(0, self.node))
        return out.view(len(self.graphs), self.places, -1)

    def edges(self, value: Tensor) -> Tensor:
        """Values of the batch's edges ``[E, ...]`` as matrices ``[b, n, n, ...]``; those of an edge given
        more than once are summed."""
        out = value.new_zeros(len(self.graphs) * self.places**2, *value.shape[1:])
        out = out.index_add(0, self.pair, value.index_select(0, self.edge))
        return out.view(len(self.graphs), self.places, self.places, *value.shape[1:])

    @property
    def diagonal(self) -> Tensor:
        """Where the pair of each node with itself lies ``[m]``."""
        return self.slot * self.places + self.slot % self.places

    @property
    def mask(self) -> Tensor:
        """Which places have a node ``[b, n]``."""
        mask = self.slot.new_zeros(len(self.graphs) * self.places, dtype=torch.bool)
        return mask.index_fill_(0, self.slot, True).view(len(self.graphs), self.places)


def dense_batches(
    edge_index: Tensor, batch: Tensor, places: int | None = None, at_once: int | None = None
) -> list[Dense]:
    r"""Returns the graphs of a batch in a few dense parts, so that no small graph pays for a large one.

    Graphs share a part if their numbers of nodes are equal when rounded up to multiples of the power of two
    that goes four to eight times into them: at most 36 % of a part's pairs are padding, and the number of
    parts grows with the logarithm of the sizes (and with the amount of work), not with that of the graphs.

    Args:
        edge_index: ``[2, E]``, within graphs.
        batch: the graph of each node ``[N]``, in any order.
        places: the same for all graphs, in one part; default as above.
        at_once: the most pairs of places in a part of more than one graph; default by device.

    Raises:
        ValueError: if a graph has more nodes than ``places``.
    """
    sizes = torch.bincount(batch)
    if places is not None and len(sizes) and (most := int(sizes.max())) > places:
        raise ValueError(f"batch: expected at most max_nodes = {places} nodes a graph, found one of {most}")
    rooms = _rooms(sizes) if places is None else torch.full_like(sizes, places)
    at_once = at_once or AT_ONCE.get(batch.device.type, AT_ONCE["else"])
    part, row, room_of_part = _parts(rooms, None if places is not None else at_once)
    room, source, target = rooms[batch], *edge_index
    place = index_within_body(batch, sizes)
    slot = row[batch] * room + place
    pair = slot[source] * room[source] + place[target]
    groups = [_split(index, len(room_of_part)) for index in (part, part[batch], part[batch[source]])]
    return [
        Dense(graphs, n, node, slot[node], edge, pair[edge], len(node) == len(graphs) * n)
        for n, graphs, node, edge in zip(room_of_part, *groups, strict=True)
    ]


def in_order(parts: list[Dense], rows: list[Tensor], none: Tensor) -> Tensor:
    """Joins the rows of the parts' graphs in the order of the graphs; ``none`` where there are no graphs."""
    graphs = torch.cat([part.graphs for part in parts]) if parts else none.new_zeros(0, dtype=torch.long)
    return torch.cat([none, *rows]).index_select(0, graphs.argsort())


def _rooms(sizes: Tensor) -> Tensor:
    """Sizes rounded up, to 1 .. 8, 10, 12, 14, 16, 20, ..."""
    exponent = torch.frexp(sizes.double()).exponent.long()
    step = 1 << (exponent - 3).clamp(min=0)
    return ((sizes + step - 1) // step * step).clamp(min=1)


def _parts(rooms: Tensor, at_once: int | None) -> tuple[Tensor, Tensor, list[int]]:
    """The part of each graph, its row there, and the room of each part."""
    room, kind, count = rooms.unique(return_inverse=True, return_counts=True)
    per_part = count.clamp(min=1) if at_once is None else (at_once // room**2).clamp(min=1)
    parts = (count + per_part - 1) // per_part
    rank = index_within_body(kind, count)
    part = (parts.cumsum(0) - parts)[kind] + rank // per_part[kind]
    return part, rank % per_part[kind], room.repeat_interleave(parts).tolist()


def _split(part: Tensor, parts: int) -> tuple[Tensor, ...]:
    """The rows of each part, in their order."""
    counts = torch.bincount(part, minlength=parts).tolist()
    return torch.argsort(part, stable=True).split(counts) if parts else ()
