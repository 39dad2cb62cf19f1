"""Rows of permuted graphs: which node or edge each row of a copy comes from."""

from __future__ import annotations

import torch
from torch import Tensor

from fa_pyg.frames.base import FrameSet, LevelLike, Sources
from fa_pyg.frames.local_index import LocalIndex
from fa_pyg.frames.rows import Level, Rows
from fa_pyg.lazy import cached_property
from fa_pyg.typed import computed, unique

__all__ = ["PermutedRows"]


class PermutedRows(FrameSet):
    """Rows of the copies of permuted graphs; the base of :class:`~fa_pyg.PermutationFrames`."""

    order: Tensor
    sizes: Tensor
    edge_index: Tensor | None
    edge_color: Tensor | None
    edge_orbit: Tensor | None

    @computed
    def num_bodies(self) -> int:
        return len(self.sizes)

    @cached_property
    def numbers(self) -> LocalIndex:
        """Index of each node within its graph."""
        return LocalIndex(self.graph_of_node, self.num_bodies)

    @cached_property
    def edge_body(self) -> Tensor:
        """The graph of each edge, ``[E]``."""
        return self.graph_of_node.index_select(0, self._given_edges[0])

    @property
    def graph_of_node(self) -> Tensor:
        """The graph of each node, ``[N]``: the field ``batch``, which is never None."""
        return self._nodes.bodies(self.device)

    @property
    def _given_edges(self) -> Tensor:
        if self.edge_index is None:
            raise ValueError("edge level: expected frames with `edge_index`, found none")
        return self.edge_index

    @property
    def moves_edges(self) -> bool:
        """Whether any edge is one of several in its orbit, over which edge-level outputs are averaged."""
        if self.edge_orbit is None:
            return False
        orbits = torch.stack([self.edge_body, self.edge_orbit], 1)
        return len(unique(orbits, dim=0)) < len(orbits)

    def sources(self, level: LevelLike) -> tuple[Tensor, Tensor]:
        """Return the source row and the frame of each row of the copies of a tensor of this level."""
        return self._copied(self._level(None, level))

    def sources_by_slot(self, rows: Rows) -> Sources:
        if rows.level is Level.NODE:
            return self._node_sources
        return self._edge_sources if rows.level is Level.EDGE else self._in_order(rows)

    @cached_property
    def _edges(self) -> Rows:
        return Rows.of(self.edge_body, Level.EDGE)

    @cached_property
    def _begin(self) -> Tensor:
        """Start of each frame in ``order``."""
        length = self.sizes.index_select(0, self.body)
        return length.cumsum(0) - length

    @cached_property
    def _node_sources(self) -> Sources:
        numbers, sources = self.numbers, Sources()
        for row, frame in self._in_order(self._nodes):
            local = self.order.index_select(0, self._begin[frame] + numbers.local[row])
            sources.append((numbers.to_batch(numbers.body[row], local), frame))
        return sources

    @cached_property
    def places(self) -> list[Tensor]:
        """Position of every node in each slot, counted through its copied graphs; -1 without a copy."""
        places: list[Tensor] = []
        for source, _ in self._node_sources:
            place = torch.full_like(self.graph_of_node, -1)
            places.append(place.scatter_(0, source, torch.arange(len(source), device=source.device)))
        return places

    @cached_property
    def _edge_sources(self) -> Sources:
        """Edges sorted by source, target and color."""
        sources, edge_index = Sources(), self._given_edges
        for place, (row, frame) in zip(self.places, self._in_order(self._edges), strict=True):
            if self.edge_color is not None:
                by_color = torch.argsort(self.edge_color.index_select(0, row), stable=True)
                row, frame = row.index_select(0, by_color), frame.index_select(0, by_color)
            tail, head = place[edge_index.index_select(1, row)]
            order = torch.argsort(tail * self._nodes.count + head, stable=True)
            sources.append((row.index_select(0, order), frame.index_select(0, order)))
        return sources

    def _level(self, n: int | None, level: LevelLike) -> Rows:
        """The rows of a level, checked against the size n of a tensor."""
        if level is None and n is not None:
            level = self._rows_of(n, None)
        rows = self._named(level)
        if n not in (None, rows.count):
            raise ValueError(f"x: expected {rows.count} rows for the {_shown(level)}, found {n}")
        return rows

    def _copied_level(self, m: int, level: LevelLike) -> Rows:
        rows = self._source_rows(m, None) if level is None else self._named(level)
        expected = len(self._copied(rows)[0])
        if m != expected:
            raise ValueError(f"y: expected {expected} rows for the copies of the {_shown(rows)}, found {m}")
        return rows

    def _named(self, level: LevelLike) -> Rows:
        if isinstance(level, Tensor):
            return Rows.of(level)
        if isinstance(level, Rows):
            return level
        if level not in ("node", "graph", "edge"):
            raise ValueError(
                f'level: expected "node", "graph", "edge" or the graph of each row, found {level!r}'
            )
        return {"node": self._nodes, "graph": self._graphs}.get(level) or self._edges


def _shown(level: LevelLike) -> str:
    name = level.level.value if isinstance(level, Rows) and level.level is not Level.INDEX else level
    return f"{name} level" if isinstance(name, str) else "given graphs"
