"""What is known of a batch of graphs after labelling: places and orbits."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fa_pyg.canonical.graphs import Graphs
from fa_pyg.canonical.integers import chosen, heads, lexsort

__all__ = ["COLLISION", "Labels", "first_alike"]

COLLISION = "Two different graphs have equal hashes of 64 bits; please report this input"


@dataclass(frozen=True)
class Labels:
    """Of each node the place (a graph has those of its own nodes), of nodes and arcs the orbit's first."""

    place: Tensor
    node: Tensor
    arc: Tensor

    @classmethod
    def of_single_nodes(cls, graphs: Graphs) -> Labels:
        """Those of graphs of one node each."""
        node = torch.arange(len(graphs))
        return cls(node, node, torch.arange(len(graphs.row)))


def first_alike(*keys: Tensor) -> Tensor:
    """Of each row the first row that equals it."""
    order = lexsort(*keys)
    head = heads(*(key[order] for key in keys))
    return torch.empty_like(order).scatter_(0, order, order[chosen(head)[head.cumsum(0) - 1]])
