"""Color refinement (1-WL) of many graphs at once; the cost of a round is that of the last changes."""

from __future__ import annotations

import torch
from torch import Tensor

from fa_pyg.canonical.graphs import Graphs
from fa_pyg.canonical.integers import flatnonzero, hash_rows, lexsort, ragged_arange, run_starts

__all__ = ["Partition"]


class Partition:
    """The cells of the nodes of a batch, which :meth:`refine` splits (color refinement, 1-WL).

    A cell's color is the number of nodes before it, of all graphs. When a cell is split, one part stays in
    front and keeps the color, so that only the other parts pass changes on to their neighbors. Only hashes of
    the changes around a node are compared: two nodes with equal hashes stay in one cell. At worst this leaves
    a partition too coarse, and it does so for every numbering of the nodes alike.
    """

    def __init__(self, graphs: Graphs) -> None:
        self.graphs, self.color = graphs, graphs.color.clone()
        self.size = torch.bincount(self.color, minlength=len(graphs))  # of the cell of a color
        self._sum, self._mark = torch.zeros_like(self.color), torch.zeros_like(self.color)

    @property
    def local(self) -> Tensor:
        """The colors, counted from the first node of each graph."""
        return self.color - self.graphs.offset

    def refine_all(self) -> Partition:
        """Refine from the colors of the graphs."""
        return self.refine(torch.arange(len(self.graphs)), None)

    def refine(self, node: Tensor, old: Tensor | None) -> Partition:
        """Split cells until nothing changes, beginning with nodes whose color was ``old`` (None: unknown)."""
        while len(node):
            node, old = self._split(*self._changes(node, old))
        return self

    def _changes(self, node: Tensor, old: Tensor | None) -> tuple[Tensor, Tensor]:
        """The nodes with a changed neighbor, in cells of two or more, and a hash of their changes."""
        graphs = self.graphs
        arc, source = ragged_arange(graphs.ptr[node], graphs.degree[node])
        to = graphs.col[arc]
        open_ = flatnonzero(self.size[self.color[to]] > 1)
        arc, source, to = arc[open_], source[open_], to[open_]
        kind, offset = graphs.kind[arc], graphs.offset[node]
        value = hash_rows((self.color[node] - offset)[source], kind)
        if old is not None:
            value -= hash_rows((old - offset)[source], kind)
        index = torch.arange(len(to))
        self._mark[to] = index
        touched = to[self._mark[to] == index]  # without duplicates, whichever was written last
        total = self._sum.index_add_(0, to, value)[touched]
        self._sum[touched] = 0
        return touched, total

    def _split(self, node: Tensor, total: Tensor) -> tuple[Tensor, Tensor]:
        """Sort the touched nodes of each cell behind the others; return those that move, and from where."""
        order = lexsort(self.color[node], total)
        node, total = node[order], total[order]
        cell = self.color[node]
        head, part_head = run_starts(cell), run_starts(cell, total)
        first, part = flatnonzero(head), flatnonzero(part_head)
        number = head.cumsum(0) - 1
        touched = torch.diff(first, append=torch.tensor([len(node)]))
        rest = self.size[cell[first]] - touched
        place = (cell[first] + rest - first)[number] + part[part_head.cumsum(0) - 1]
        self.size[cell[first]] = rest  # overwritten below where no node is left
        self.size[place[part]] = torch.diff(part, append=torch.tensor([len(node)]))
        moved = flatnonzero(place != cell)
        node, cell = node[moved], cell[moved]
        self.color[node] = place[moved]
        return node, cell
