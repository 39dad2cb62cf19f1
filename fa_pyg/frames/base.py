"""What frames of any group have in common: bodies, weights, slots, and which rows of tensors are whose."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import cached_property
from typing import Any, TypeVar

import torch
from torch import Tensor

from fa_pyg.frames.slots import rows_by_slot

__all__ = ["FrameSet", "Level"]

Level = str | Tensor | None
Self = TypeVar("Self", bound="FrameSet")


class FrameSet:
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

    @classmethod
    def _made(cls: type[Self], **values: Any) -> Self:
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

        return self._map(move)

    def detach(self: Self) -> Self:
        """Returns the same frames without gradient: forces taken through them are *not* the true gradient."""
        return self._map(Tensor.detach)

    def _known_fields(self) -> dict[str, Any]:
        return {one.name: vars(self)[one.name] for one in fields(self) if one.name in vars(self)}

    def _map(self: Self, change: Callable[[Tensor], Tensor]) -> Self:
        known = self._known_fields()
        return self._made(**{k: change(v) if isinstance(v, Tensor) else v for k, v in known.items()})

    # ---------------------------------------------------------------------------------- choosing

    def _drawn(self, k: int, generator: torch.Generator | None) -> Tensor:
        """k frames for each body by weight, ``[k, B]``: systematic sampling.

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
        row = torch.arange(n, device=self.device)
        body = torch.zeros_like(row) if index is None else index
        if self.slots == 1:
            return row, body
        if self.slots:
            first = self.num_bodies * torch.arange(self.slots, device=row.device)
            return row.repeat(self.slots), (body + first.unsqueeze(1)).flatten()
        sources, frames = zip(*self.rows_by_slot(index, n), strict=True)
        return torch.cat(sources), torch.cat(frames)

    def rows_by_slot(self, index: Tensor | None, n: int) -> list[tuple[Tensor, Tensor]]:
        """Returns :meth:`rows` slot by slot (a host sync for each slot, once an index)."""
        known, found = self._known.get((id(index), n), (None, None))
        if found is None or known is not index:  # an id is another tensor's after that one, or in a copy
            body = torch.zeros(n, dtype=torch.long, device=self.device) if index is None else index
            found = list(rows_by_slot(body, self.counts, self.slot_sizes))
            self._known[id(index), n] = index, found
        return found

    @cached_property
    def _known(self) -> dict[tuple[int, int], tuple[Tensor | None, list[tuple[Tensor, Tensor]]]]:
        return {}

    @cached_property
    def by_body(self) -> tuple[Tensor, Tensor]:
        """The frames body after body, their slots in order, and where each body's begin."""
        return torch.argsort(self.body, stable=True), self.counts.cumsum(0) - self.counts

    def _index(self, n: int, level: Level) -> Tensor | None:
        """The body of each of n rows; None where there is one body."""
        if isinstance(level, Tensor):
            return level
        if level not in (None, "node", "graph"):
            raise ValueError(f'level: expected "node", "graph" or the body of each row, found {level!r}')
        if level != "graph" and self.batch is not None and n == len(self.batch):
            if level is None and n == self.num_bodies and not self._nodes_are_graphs:
                raise ValueError(f'{n} rows fit both nodes and graphs: say level="node" or level="graph"')
            return self.batch
        if level != "graph" and self.batch is None and self.num_bodies == 1:
            return None
        if n == self.num_bodies and (level != "node" or self.batch is None):
            return torch.arange(n, device=self.device)
        nodes = self.num_bodies if self.batch is None else len(self.batch)
        raise ValueError(f"{n} rows fit neither {nodes} nodes nor {self.num_bodies} graphs (level={level!r})")

    def _source(self, m: int, level: Level) -> tuple[Tensor | None, int]:
        """The body of each source row of m copied rows, and how many source rows there are."""
        each = self.num_frames if self.num_bodies == 1 else self.slots
        if each:
            n, rest = m // each, m % each  # not divmod(), which no compiler knows
            if rest:
                raise ValueError(f"{m} rows are no multiple of the {each} frames of each graph")
            return self._index(n, level), n
        for one in ("node", "graph") if level is None else (level,):
            n = len(one) if isinstance(one, Tensor) else self.num_bodies
            if one == "node" and self.batch is not None:
                n = len(self.batch)
            index = self._index(n, one)
            if int(self.counts[index].sum()) == m:
                return index, n
        raise ValueError(f"{m} rows fit no copies in {self} (level={level!r})")

    @cached_property
    def _nodes_are_graphs(self) -> bool:
        return torch.equal(self.batch, torch.arange(len(self.batch), device=self.batch.device))
