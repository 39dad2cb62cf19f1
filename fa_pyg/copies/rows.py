"""Source rows of copied graphs: the whole batch several times, or selected graphs."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from fa_pyg.batches import holds
from fa_pyg.calls.call import Name
from fa_pyg.calls.layout import Layout
from fa_pyg.frames.base import FrameSet
from fa_pyg.frames.rows import Level, Rows
from fa_pyg.lazy import cached_property

__all__ = ["Repeated", "Selected", "SlotRows", "pointer", "side_by_side"]


class SlotRows:
    """Rows of a batch in all its frames, in slot-major order.

    Args:
        frames: the frames of the batch.
    """

    def __init__(self, frames: FrameSet) -> None:
        self.frames = frames
        self.bounds = [0, *accumulate(frames.slot_sizes)]  # of the frames, by slot

    def part(self, first: int, last: int, rows: Rows) -> slice:
        """Return the slice of the slots first, ..., last - 1 among the copies of a tensor with these rows."""
        if self.frames.slots:
            return slice(first * rows.count, last * rows.count)
        bounds = [0, *accumulate(len(row) for row, _ in self.frames.sources_by_slot(rows)[:last])]
        return slice(bounds[first], bounds[last])


class Repeated:
    """Copies of the whole batch, k in a row.

    Args:
        layout: the layout of the source batch.
        k: the number of copies.
    """

    moves_nodes = False  # whether copies have permuted nodes

    def __init__(self, layout: Layout, k: int) -> None:
        self.k, self.step_nodes, self.step_graphs = k, layout.num_nodes, layout.num_graphs
        self.num_nodes, self.num_graphs = k * layout.num_nodes, k * layout.num_graphs

    @property
    def graphs(self) -> Tensor:
        """The source graph of each copy, on the CPU."""
        return torch.arange(self.step_graphs).repeat(self.k)

    def gather(self, value: Tensor, rows: Rows, dim: int = 0) -> Tensor:
        """Copy a tensor along the axis of its rows."""
        if not torch.compiler.is_compiling():
            return torch.cat([value] * self.k, dim)
        # Fused with what reads the copies, which are then not written.
        shape = (*value.shape[:dim], self.k, *value.shape[dim:])
        return value.unsqueeze(dim).expand(shape).flatten(dim, dim + 1)

    def owner(self, rows: Rows, device: torch.device | None = None) -> Tensor:
        """Return the copied graph of each row of :meth:`gather`."""
        return self._shifted(rows.bodies(device), self.step_graphs, 0)

    def node_index(
        self,
        value: Tensor,
        rows: Rows,
        dim: int = -1,
        name: Name = "",
        points: Rows | None = None,
    ) -> Tensor:
        """Copy node indices, entry by entry along an axis: each refers to a node of the same copy.

        Negative entries stand for missing nodes and become -1. ``rows`` are the entries, ``name`` is for
        errors, ``points`` are the nodes if these are another set.
        """
        step = self.step_nodes if points is None else points.count
        shifted = self._shifted(value, step, dim % value.dim())
        return torch.where(torch.cat([value] * self.k, dim) < 0, -1, shifted)

    def local_index(self, value: Tensor, rows: Rows, dim: int = 0) -> Tensor:
        """Copy indices of nodes within their graphs."""
        return self.gather(value, rows, dim)

    def shifted(self, value: Tensor, rows: Rows, dim: int, steps: Tensor) -> Tensor:
        """Copy values that collation offsets by ``steps [B, ...]`` of all graphs before."""
        step = steps.sum(0)
        return self._shifted(value, int(step) if step.dim() == 0 else step.to(value.device), dim)

    def _shifted(self, value: Tensor, step: int | Tensor, dim: int) -> Tensor:
        copy = torch.arange(self.k, device=value.device).view(-1, *(1,) * (value.dim() - dim))
        if isinstance(step, Tensor):
            step = step.view(*(1,) * (value.dim() - step.dim()), *step.shape).unsqueeze(dim)
        return (value.unsqueeze(dim) + copy * step).flatten(dim, dim + 1)


class Selected:
    """Copies of the graphs that have some slots; the interface of :class:`Repeated`.

    Args:
        layout: the layout of the source batch.
        source: its rows in all slots.
        first, last: the slots first, ..., last - 1.
    """

    moves_nodes = False

    def __init__(self, layout: Layout, source: SlotRows, first: int, last: int) -> None:
        self.layout, self.source, self.first, self.last = layout, source, first, last
        self.begin = source.bounds[first]
        self.num_graphs = source.bounds[last] - self.begin
        self.num_nodes = len(self._sources(layout.nodes)[0])

    @cached_property
    def graphs(self) -> Tensor:
        return self.source.frames.body[self.begin :][: self.num_graphs].cpu()

    def gather(self, value: Tensor, rows: Rows, dim: int = 0) -> Tensor:
        return value.index_select(dim, self._sources(rows)[0])

    def owner(self, rows: Rows, device: torch.device | None = None) -> Tensor:
        return self._sources(rows)[1] - self.begin

    def node_index(
        self,
        value: Tensor,
        rows: Rows,
        dim: int = -1,
        name: Name = "",
        points: Rows | None = None,
    ) -> Tensor:
        parts, slots = [], self._slots(rows)
        places = self._places
        if points is not None and points.level is not Level.NODE:
            places = self._places_of(points)
        for place, (row, _) in zip(places, slots, strict=True):
            selected = value.index_select(dim, row)
            moved = place.index_select(0, selected.clamp(min=0).flatten()).view(selected.shape)
            if holds((moved < 0) & (selected >= 0)):
                raise ValueError(f"{name!r}: expected nodes of one graph in each entry, found nodes of two")
            parts.append(torch.where(selected < 0, -1, moved))
        return torch.cat(parts, dim)

    def local_index(self, value: Tensor, rows: Rows, dim: int = 0) -> Tensor:
        return self.gather(value, rows, dim)

    def shifted(self, value: Tensor, rows: Rows, dim: int, steps: Tensor) -> Tensor:
        before, copied = steps.cumsum(0) - steps, steps[self.graphs]
        added = (copied.cumsum(0) - copied - before[self.graphs]).to(value.device)
        added = added.view(len(added), *(1,) * (value.dim() + 1 - added.dim()), *added.shape[1:])
        added = added.squeeze(dim + 1).movedim(0, dim)  # the graphs along the axis of the values
        owner = self.owner(rows)
        return self.gather(value, rows, dim) + added.index_select(dim, owner)

    def _sources(self, rows: Rows) -> tuple[Tensor, Tensor]:
        """Source row and frame of each copied row."""
        row, frame = zip(*self._slots(rows), strict=True)
        return (row[0], frame[0]) if len(row) == 1 else (torch.cat(row), torch.cat(frame))

    def _slots(self, rows: Rows) -> list[tuple[Tensor, Tensor]]:
        """Source rows and frames, for each slot."""
        return self.source.frames.sources_by_slot(rows)[self.first : self.last]

    @cached_property
    def _places(self) -> list[Tensor]:
        """Position of every source node in each slot."""
        return self._places_of(self.layout.nodes)

    def _places_of(self, points: Rows) -> list[Tensor]:
        """Position of every point in each slot; -1 for points without a copy."""
        places, first = [], 0
        for row, _ in self._slots(points):
            position = torch.arange(first, first + len(row), device=row.device)
            places.append(position.new_full((points.count,), -1).scatter_(0, row, position))
            first += len(row)
        return places


def pointer(counts: Tensor) -> Tensor:
    """Return the boundaries of parts of these sizes, as PyG's ``ptr``."""
    return torch.cat([counts.new_zeros(1, *counts.shape[1:]), counts.cumsum(0)])


def side_by_side(name: Name, value: Any, layout: Layout, selection: Repeated | Selected) -> Tensor:
    """Copy a sparse adjacency matrix ``[N, N, ...]`` into a block-diagonal one."""
    nodes = layout.num_nodes
    if not isinstance(value, Tensor) or value.shape[:2] != (nodes, nodes):
        raise ValueError(
            f"{name!r}: expected a torch.sparse matrix [{nodes}, {nodes}] for several frames in one call, "
            f"found a {type(value).__name__} (use chunk=1)"
        )
    entries = value.to_sparse_coo().coalesce()
    index = entries.indices()
    body = None if layout.batch is None else layout.batch.index_select(0, index[0])
    rows = Rows(Level.INDEX, body, index.size(1))
    copies = torch.sparse_coo_tensor(
        selection.node_index(index, rows),
        selection.gather(entries.values(), rows),
        (selection.num_nodes, selection.num_nodes, *value.shape[2:]),
        check_invariants=False,
    )
    copies = copies.coalesce() if value.layout == torch.sparse_coo and value.is_coalesced() else copies
    return copies.to_sparse(layout=value.layout)
