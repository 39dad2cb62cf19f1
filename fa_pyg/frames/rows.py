"""Rows of a tensor: the level that they are of, and the body of each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import torch
from torch import Tensor

__all__ = ["Level", "Rows"]


class Level(Enum):
    """What the rows of a tensor are."""

    NODE = "node"
    EDGE = "edge"
    GRAPH = "graph"
    INDEX = "index"  # entries with graphs of their own: of node indices, or of another set of points
    SHARED = "shared"  # the same for all graphs
    PLACE = "place"  # a row for each node, which stays where it is when nodes are permuted


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of a tensor.

    Two tensors have rows of the same level by this value, never by the identity of an index tensor.

    Args:
        level: what the rows are.
        body: the graph (or other body) of each row; None where all belong to one.
        count: how many there are.

    Shapes:
        body ``[count]``.
    """

    level: Level
    body: Tensor | None
    count: int

    @classmethod
    def of(cls, body: Tensor, level: Level = Level.INDEX) -> Rows:
        """Returns the rows with these bodies."""
        return cls(level, body, len(body))

    def align_with(self, other: Rows) -> bool:
        """Whether row i of the one and of the other belong together."""
        if self is other:
            return True
        same = self.level is other.level is not Level.INDEX or self.body is other.body is None
        return same and self.count == other.count

    def bodies(self, device: torch.device) -> Tensor:
        """The body of each row, also where there is one."""
        if self.body is None:
            return torch.zeros(self.count, dtype=torch.long, device=device)
        return self.body
