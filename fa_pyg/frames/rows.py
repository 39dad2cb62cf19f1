"""Rows of a tensor: their level, and the body of each row."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import torch
from torch import Tensor

__all__ = ["Level", "Rows"]


class Level(Enum):
    """Level of the rows of a tensor."""

    NODE = "node"
    EDGE = "edge"
    GRAPH = "graph"
    INDEX = "index"  # entries with separate bodies: of node indices, or of another set of points
    SHARED = "shared"  # the same for all graphs
    PLACE = "place"  # a row for each node, which stays where it is when nodes are permuted


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of a tensor.

    Levels are compared by this value, never by the identity of an index tensor.

    Args:
        level: what the rows are.
        body: the graph (or other body) of each row; None if there is only one.
        count: the number of rows.

    Shapes:
        body ``[count]``.
    """

    level: Level
    body: Tensor | None
    count: int

    @classmethod
    def of(cls, body: Tensor, level: Level = Level.INDEX) -> Rows:
        """Return the rows with these bodies."""
        return cls(level, body, body.size(0))

    def align_with(self, other: Rows) -> bool:
        """Whether row i belongs to the same item in both."""
        if self is other:
            return True
        if self.count != other.count or (self.body is None) != (other.body is None):
            return False
        if self.level is other.level is not Level.INDEX or self.body is None or other.body is None:
            return True
        return torch.equal(self.body, other.body)

    def bodies(self, device: torch.device | None) -> Tensor:
        """Return the body of each row, also where there is only one body."""
        if self.body is None:
            return torch.zeros(self.count, dtype=torch.long, device=device)
        return self.body
