"""Frames of any group as a value: bodies, weights, slots, and the rows of tensors in every frame."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import fields
from functools import cached_property
from typing import Any, TypeVar

import torch
from torch import Tensor

from fa_pyg.frames.rows import Level, Rows
from fa_pyg.frames.slots import rows_by_slot
from fa_pyg.reps import RepLike

__all__ = ["ALL_RANKS", "NO_RANK", "FrameSet", "LevelLike"]

LevelLike = str | Tensor | Rows | None
ALL_RANKS = 1 << 30
"""How exact frames are (:meth:`FrameSet.exact_for`) that are exact for outputs of every rank."""

NO_RANK = -1
"""How exact frames are that are exact for no output."""

Self = TypeVar("Self", bound="FrameSet")


class FrameSet(ABC):
    """The value of a frame on a batch: weighted group elements of each body, in slot-major order.

    Slot-major: the first frame of every body, then the second of every body that has one, and so on. A
    subclass is a frozen dataclass with the fields ``body [F]`` and ``weight [F]`` of each frame, ``batch
    [N]``, the body of each node or None, ``num_bodies`` and ``slots``: K where every body has K frames, 0
    where they differ.
    """

    body: Tensor
    weight: Tensor
    batch: Tensor | None
    num_bodies: int
    slots: int
    dim: int  # of the geometric axes of framed tensors; 0 where they have none
    exact: Tensor | None  # up to which rank averages are exact, of each body; None where nobody knows
    keeps_rows: bool  # whether a slot that every body has holds the rows of a tensor in their order

    @abstractmethod
    def average(self, y: Tensor, rep: RepLike = "scalar", level: LevelLike = None) -> Tensor:
        """Returns the weighted average over the frames of a model's outputs on the copies."""

    @abstractmethod
    def sources_by_slot(self, rows: Rows) -> list[tuple[Tensor, Tensor]]:
        """Returns, slot by slot, the source row and the frame of each row of the copies."""

    @property
    @abstractmethod
    def moves_edges(self) -> bool:
        """Whether an average over orbits mixes the rows of different edges."""

    @classmethod
    def made(cls: type[Self], **values: Any) -> Self:
        """Frames of these fields as they are: checked and sorted by the caller."""
        frames = object.__new__(cls)
        for name, value in values.items():
            object.__setattr__(frames, name, value)
        return frames

    @property
    def device(self) -> torch.device:
        return self.body.device

    @property
    def num_frames(self) -> int:
        return self.body.size(0)

    @cached_property
    def counts(self) -> Tensor:
        """The number of frames of each body, ``[B]``."""
        if self.slots:
            return self.body.new_full((self.num_bodies,), self.slots)
        return torch.bincount(self.body, minlength=self.num_bodies)

    @cached_property
    def slot_sizes(self) -> list[int]:
        """How many bodies have a first, a second, ... frame (a host sync, for ragged frames only)."""
        if self.slots:
            return [self.num_bodies] * self.slots
        longest_last = torch.bincount(self.counts)[1:]
        return longest_last.flip(0).cumsum(0).flip(0).tolist()

    def to(self: Self, *args, **kwargs) -> Self:
        """Moves or casts, like :meth:`torch.Tensor.to`; indices keep their type."""

        def move(x: Tensor) -> Tensor:
            moved = x.to(*args, **kwargs)
            return moved if x.is_floating_point() else moved.to(x.dtype)

        exact = self.exact  # decided in the wide type
        moved = self._map(move)
        vars(moved)["exact"] = None if exact is None else move(exact)
        return moved

    def with_exact(self: Self, exact: Tensor | None) -> Self:
        """Returns the same frames with this exactness information.

        Args:
            exact: the rank up to which averages are exact (:data:`ALL_RANKS`, :data:`NO_RANK`, ...), or
                whether they are (bool), of each body; None for none.
        """
        if exact is not None and exact.dtype == torch.bool:
            exact = torch.where(exact, ALL_RANKS, NO_RANK)
        return self.made(**{**vars(self), "exact": exact})

    def detach(self: Self) -> Self:
        """Returns the same frames without gradient: forces taken through them are *not* the true gradient."""
        return self._map(Tensor.detach)

    def _known_fields(self) -> dict[str, Any]:
        return {one.name: vars(self)[one.name] for one in fields(self) if one.name in vars(self)}

    def _map(self: Self, change: Callable[[Tensor], Tensor]) -> Self:
        known = self._known_fields()
        return self.made(**{k: change(v) if isinstance(v, Tensor) else v for k, v in known.items()})

    # ---------------------------------------------------------------------------------- choosing

    def _drawn(self, k: int, generator: torch.Generator | None) -> Tensor:
        """K frames for each body by weight, ``[k, B]``: systematic sampling.

        The points (u + i) / k, u uniform, on a body's cumulated weights. Frames of equal weight are so drawn
        without replacement, and k = K takes each exactly once.
        """
        if isinstance(k, bool) or not isinstance(k, int) or k < 1:
            raise ValueError(f"k: expected a positive integer, found {k!r}")
        device, size = self.device, self.num_bodies
        where = generator.device if generator is not None else device
        u = torch.rand(size, generator=generator, device=where, dtype=torch.float64).to(device)
        points = (u + torch.arange(k, device=device).unsqueeze(1)) / k
        # Frames in body-major order: those of body b occupy `counts[b]` places from `start[b]` on.
        by_body = self.by_body[0]
        # A NaN must not reach the bodies behind.
        weight = self.weight.detach().to(u.dtype).nan_to_num(0, 0, 0)
        total = weight.index_select(0, by_body).cumsum(0)
        last = self.counts.cumsum(0) - 1
        start = last - self.counts + 1
        before = torch.cat([total.new_zeros(1), total]).index_select(0, start)
        target = before + points * (total.index_select(0, last) - before)
        place = torch.searchsorted(total, target, right=True)
        # Rounding at a boundary must not hand a body its neighbour's frame.
        place = torch.minimum(torch.maximum(place, start), last)
        return by_body[place]

    def _without_later(self, bodies: Tensor) -> tuple[Tensor, Tensor]:
        """The frames that stay if some bodies (``[B]`` bool) keep their first only, and all weights then."""
        one = bodies.index_select(0, self.body)
        first = torch.arange(self.num_frames, device=one.device) < self.num_bodies  # slot 0: one of each body
        return (first | ~one).nonzero().squeeze(1), torch.where(one, 1, self.weight)

    # ---------------------------------------------------------------------------------- rows of copies

    def rows(self, index: Tensor | None, n: int) -> tuple[Tensor, Tensor]:
        """Returns, for each row of the copies of a tensor of n rows, its source row and its frame, ``[M]``.

        Copies are slot-major, as the frames are: all rows in their body's first frame, then those whose body
        has a second one, ... ``index [n]`` is the body of each row, None where all belong to one body.
        """
        return self._copied(Rows(Level.INDEX, index, n))

    def _copied(self, rows: Rows) -> tuple[Tensor, Tensor]:
        """The source row and the frame of each row of the copies."""
        row = torch.arange(rows.count, device=self.device)
        if self.slots and self.keeps_rows:
            body = torch.zeros_like(row) if rows.body is None else rows.body
            if self.slots == 1:
                return row, body
            first = self.num_bodies * torch.arange(self.slots, device=row.device)
            return row.repeat(self.slots), (body + first.unsqueeze(1)).flatten()
        sources, frames = zip(*self.sources_by_slot(rows), strict=True)
        return torch.cat(sources), torch.cat(frames)

    def _in_order(self, rows: Rows) -> list[tuple[Tensor, Tensor]]:
        """Slot by slot the rows whose bodies have so many frames, ascending, and their frames.

        It waits for the device once for each slot, and once only for each value of ``rows``.
        """
        found = self._kept.get(rows)
        if found is None:
            found = list(rows_by_slot(rows.bodies(self.device), self.counts, self.slot_sizes))
            self._kept[rows] = found
        return found

    @cached_property
    def _kept(self) -> dict[Rows, list[tuple[Tensor, Tensor]]]:
        return {}

    @cached_property
    def by_body(self) -> tuple[Tensor, Tensor]:
        """The frames body after body, their slots in order, and where those of each body begin."""
        return torch.argsort(self.body, stable=True), self.counts.cumsum(0) - self.counts

    @cached_property
    def _nodes(self) -> Rows:
        """The rows of node-level tensors, where ``batch`` tells them."""
        return Rows.of(self.batch, Level.NODE)

    @cached_property
    def _graphs(self) -> Rows:
        return Rows.of(torch.arange(self.num_bodies, device=self.device), Level.GRAPH)

    def _rows_of(self, n: int, level: LevelLike) -> Rows:
        """The rows of a tensor that has n of them."""
        if isinstance(level, Rows):
            return level
        if isinstance(level, Tensor):
            return Rows(Level.INDEX, level, n)
        if level not in (None, "node", "graph"):
            raise ValueError(f'level: expected "node", "graph" or the body of each row, found {level!r}')
        if level != "graph" and self.batch is not None and n == len(self.batch):
            if level is None and n == self.num_bodies and not self._nodes_are_graphs:
                raise ValueError(f'{n} rows fit both nodes and graphs: say level="node" or level="graph"')
            return Rows.of(self.batch, Level.NODE) if self.slots else self._nodes  # see _in_order
        if level != "graph" and self.batch is None and self.num_bodies == 1:
            return Rows(Level.NODE, None, n)
        if n == self.num_bodies and (level != "node" or self.batch is None):
            return Rows.of(torch.arange(n, device=self.device), Level.GRAPH) if self.slots else self._graphs
        nodes = self.num_bodies if self.batch is None else len(self.batch)
        raise ValueError(f"{n} rows fit neither {nodes} nodes nor {self.num_bodies} graphs (level={level!r})")

    def _source_rows(self, m: int, level: LevelLike) -> Rows:
        """The source rows of m rows of copies."""
        each = self.num_frames if self.num_bodies == 1 else self.slots
        if each:
            n, rest = m // each, m % each  # not divmod(), which no compiler knows
            if rest:
                raise ValueError(f"{m} rows are no multiple of the {each} frames of each graph")
            return self._rows_of(n, level)
        for one in ("node", "graph") if level is None else (level,):
            n = len(one) if isinstance(one, Tensor) else self.num_bodies
            if one == "node" and self.batch is not None:
                n = len(self.batch)
            rows = self._rows_of(n, one)
            if int(self.counts[rows.body].sum()) == m:
                return rows
        raise ValueError(f"{m} rows fit no copies in {self} (level={level!r})")

    @cached_property
    def _nodes_are_graphs(self) -> bool:
        return torch.equal(self.batch, torch.arange(len(self.batch), device=self.batch.device))
