"""Frames of any group as values: bodies, weights, slots, and the rows of tensors in every frame."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import fields
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor

from fa_pyg.frames.rows import Level, Rows
from fa_pyg.frames.slots import rows_by_slot
from fa_pyg.groups.draw import draw
from fa_pyg.lazy import cached_property
from fa_pyg.reps import RepLike
from fa_pyg.typed import integers

__all__ = ["ALL_RANKS", "NO_RANK", "FrameSet", "LevelLike"]

LevelLike = str | Tensor | Rows | None
ALL_RANKS = 1 << 30
"""Exactness (:meth:`~fa_pyg.Frames.exact_for`) of frames that are exact for outputs of every rank."""

NO_RANK = -1
"""Exactness of frames that are not exact for any output."""

Self = TypeVar("Self", bound="FrameSet")
Sources = list[tuple[Tensor, Tensor]]  # slot by slot, the source row and the frame of each row of the copies


class FrameSet(ABC):
    """The value of a frame on a batch: weighted group elements of each body, in slot-major order.

    Slot-major: slot k lists every body with at least k + 1 frames. A subclass is a frozen dataclass with the
    fields ``body [F]`` and ``weight [F]`` of each frame, ``batch [N]`` (the body of each node, or None),
    ``num_bodies`` and ``slots``: K where every body has K frames, 0 where the numbers differ.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]  # of the subclass
    body: Tensor
    weight: Tensor
    batch: Tensor | None
    num_bodies: int
    slots: int
    dim: int  # length of the geometric axes of framed tensors; 0 where they have none
    exact: Tensor | None  # the rank up to which averages are exact, of each body; None: not available
    keeps_rows: bool  # whether a slot of all bodies holds the rows of a tensor in their original order

    @abstractmethod
    def to_frame(self, x: Tensor, rep: RepLike, level: LevelLike = None) -> Tensor:
        r"""Return :math:`\rho(g)^{-1} x` for every frame g of each row's body."""

    @abstractmethod
    def from_frame(self, y: Tensor, rep: RepLike, level: LevelLike = None) -> Tensor:
        r"""Return :math:`\rho(g)\, y` for copies in the order of :meth:`to_frame`."""

    @abstractmethod
    def exact_for(self, rep: RepLike = "scalar") -> Tensor:
        """Return for each body whether averages of such outputs are exactly equivariant, ``[B]`` bool."""

    @abstractmethod
    def average(self, y: Tensor, rep: RepLike = "scalar", level: LevelLike = None) -> Tensor:
        """Return the weighted average over the frames of a model's outputs on the copies."""

    @abstractmethod
    def sample(self, k: int = 1, generator: torch.Generator | None = None) -> FrameSet:
        """Draw k frames for each body by weight, of weight 1 / k each: averages stay unbiased."""

    @abstractmethod
    def with_one_frame(self, bodies: Tensor) -> FrameSet:
        """Return frames in which some bodies (``[B]`` bool) keep only their first."""

    @abstractmethod
    def sources_by_slot(self, rows: Rows) -> Sources:
        """Return, slot by slot, the source row and the frame of each row of the copies."""

    @property
    @abstractmethod
    def moves_edges(self) -> bool:
        """Whether an average over orbits mixes the rows of different edges."""

    @classmethod
    def made(cls: type[Self], **values: Any) -> Self:
        """Create frames from fields that the caller has checked and sorted."""
        frames = object.__new__(cls)
        vars(frames).update(values)  # attributes of a frozen dataclass
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
        """Number of bodies with a first, a second, ... frame (a device sync, for ragged frames only)."""
        if self.slots:
            return [self.num_bodies] * self.slots
        longest_last = torch.bincount(self.counts)[1:]
        return integers(longest_last.flip(0).cumsum(0).flip(0))

    def to(self: Self, *args: Any, **kwargs: Any) -> Self:
        """Move or cast, like :meth:`torch.Tensor.to`; indices keep their type."""

        def move(x: Tensor) -> Tensor:
            if x.is_floating_point():
                return x.to(*args, **kwargs)
            return x.to(x.new_empty(0).to(*args, **kwargs).device)  # a narrow type would round indices

        _ = self.exact  # computed before the cast
        return self._map(move)

    def with_exact(self: Self, exact: Tensor | None) -> Self:
        """Return the same frames with this exactness information.

        Args:
            exact: of each body, the rank up to which averages are exact (:data:`ALL_RANKS`,
                :data:`NO_RANK`, ...), or whether they are (bool); None to remove the information.
        """
        if exact is not None and exact.dtype == torch.bool:
            exact = torch.where(exact, ALL_RANKS, NO_RANK)
        return self.made(**{**vars(self), "exact": exact})

    def detach(self: Self) -> Self:
        """Return the same frames without gradient: forces taken through them are *not* the true gradient."""
        return self._map(Tensor.detach)

    def _stored_fields(self) -> dict[str, Any]:
        return {item.name: vars(self)[item.name] for item in fields(self) if item.name in vars(self)}

    def _map(self: Self, change: Callable[[Tensor], Tensor]) -> Self:
        stored = self._stored_fields()
        if "exact" in vars(self):  # computed from what the change may round
            stored["exact"] = self.exact
        return self.made(**{k: change(v) if isinstance(v, Tensor) else v for k, v in stored.items()})

    # ---------------------------------------------------------------------------------- sampling

    def _drawn(self, k: int, generator: torch.Generator | None) -> Tensor:
        """Indices of k frames for each body, drawn by weight, ``[k, B]``: systematic sampling.

        The points (u + i) / k, u uniform, on a body's cumulative weights. Frames of equal weight are thus
        drawn without replacement, and k = K takes every frame exactly once.
        """
        if not _is_count(k):
            raise ValueError(f"k: expected a positive integer, found {k!r}")
        device, size = self.device, self.num_bodies
        u = draw(torch.rand, size, generator=generator, device=device, dtype=torch.float64)
        points = (u + torch.arange(k, device=device).unsqueeze(1)) / k
        # In body-major order the frames of body b take `counts[b]` positions from `start[b]` on.
        by_body = self.by_body[0]
        # A NaN must not spread to later bodies.
        weight = self.weight.detach().to(u.dtype).nan_to_num(0, 0, 0)
        total = weight.index_select(0, by_body).cumsum(0)
        last = self.counts.cumsum(0) - 1
        start = last - self.counts + 1
        before = torch.cat([total.new_zeros(1), total]).index_select(0, start)
        target = before + points * (total.index_select(0, last) - before)
        drawn = torch.searchsorted(total, target, right=True)
        # Rounding at a boundary must not select a frame of the next body.
        drawn = torch.minimum(torch.maximum(drawn, start), last)
        return by_body[drawn]

    def _without_later(self, bodies: Tensor) -> tuple[Tensor, Tensor]:
        """Frames that stay if some bodies (``[B]`` bool) keep only their first, and the weights of all."""
        reduced = bodies.index_select(0, self.body)
        first = torch.arange(self.num_frames, device=reduced.device) < self.num_bodies  # slot 0
        return (first | ~reduced).nonzero().squeeze(1), torch.where(reduced, 1, self.weight)

    # ---------------------------------------------------------------------------------- rows of copies

    def rows(self, index: Tensor | None, n: int) -> tuple[Tensor, Tensor]:
        """Return, for each row of the copies of a tensor of n rows, its source row and its frame, ``[M]``.

        Copies are slot-major, as the frames are: all rows in the first frame of their body, then those whose
        body has a second one, ... ``index [n]`` is the body of each row, None where all belong to one body.
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

    def _in_order(self, rows: Rows) -> Sources:
        """For each slot, the rows of the bodies that have it, ascending, and their frames.

        It takes one device sync for each slot, so the result is kept with the index tensor that it is for.
        """
        rows = self._graphs if rows.level is Level.GRAPH and rows.body is not None else rows
        body, sources = self._cached_sources.get((id(rows.body), rows.count), (None, None))
        if sources is None or body is not rows.body:  # the id of a tensor that is gone may be given again
            sources = list(rows_by_slot(rows.bodies(self.device), self.counts, self.slot_sizes))
            self._cached_sources[id(rows.body), rows.count] = rows.body, sources
        return sources

    @cached_property
    def _cached_sources(self) -> dict[tuple[int, int], tuple[Tensor | None, Sources]]:
        return {}

    @cached_property
    def by_body(self) -> tuple[Tensor, Tensor]:
        """The frames sorted by body, then by slot, and where those of each body begin."""
        return torch.argsort(self.body, stable=True), self.counts.cumsum(0) - self.counts

    @cached_property
    def _nodes(self) -> Rows:
        """The rows of node-level tensors, for frames with ``batch``."""
        if self.batch is None:
            raise ValueError("node level: expected frames with `batch`, found none")
        return Rows.of(self.batch, Level.NODE)

    @cached_property
    def _graphs(self) -> Rows:
        return Rows.of(torch.arange(self.num_bodies, device=self.device), Level.GRAPH)

    def _rows_of(self, n: int, level: LevelLike) -> Rows:
        """The rows of a tensor with n rows."""
        if isinstance(level, Rows):
            if level.count != n:
                raise ValueError(f"level: expected {level.count} rows, found {n}")
            return level
        if isinstance(level, Tensor):
            return Rows(Level.INDEX, level, n)
        if level not in (None, "node", "graph"):
            raise ValueError(f'level: expected "node", "graph" or the body of each row, found {level!r}')
        if level != "graph" and self.batch is not None and n == self.batch.size(0):
            if level is None and n == self.num_bodies and not self._nodes_are_graphs:
                raise ValueError(
                    f'level: expected "node" or "graph" for {n} rows, which fit both, found None'
                )
            return Rows.of(self.batch, Level.NODE) if self.slots else self._nodes  # see _in_order
        if level != "graph" and self.batch is None and self.num_bodies == 1:
            return Rows(Level.NODE, None, n)
        if n == self.num_bodies and (level != "node" or self.batch is None):
            return Rows.of(torch.arange(n, device=self.device), Level.GRAPH) if self.slots else self._graphs
        nodes = self.num_bodies if self.batch is None else self.batch.size(0)
        raise ValueError(
            f"level={level!r}: expected {nodes} nodes or {self.num_bodies} graphs, found {n} rows"
        )

    def _source_rows(self, m: int, level: LevelLike) -> Rows:
        """The source rows of m rows of copies."""
        count = self.num_frames if self.num_bodies == 1 else self.slots
        if count:
            n, rest = m // count, m % count  # torch.compile does not trace divmod()
            if rest:
                raise ValueError(
                    f"copies: expected a multiple of the {count} frames of each graph, found {m} rows"
                )
            return self._rows_of(n, level)
        for candidate in ("node", "graph") if level is None else (level,):
            n = candidate.size(0) if isinstance(candidate, Tensor) else self.num_bodies
            n = candidate.count if isinstance(candidate, Rows) else n
            if candidate == "node" and self.batch is not None:
                n = self.batch.size(0)
            rows = self._rows_of(n, candidate)
            if int(self.counts[rows.body].sum()) == m:
                return rows
        raise ValueError(f"level={level!r}: expected the copies of a level in {self}, found {m} rows")

    @cached_property
    def _nodes_are_graphs(self) -> bool:
        batch = self.batch
        return batch is not None and torch.equal(batch, torch.arange(batch.size(0), device=batch.device))


def _is_count(k: object) -> bool:
    return isinstance(k, int) and not isinstance(k, bool) and k >= 1
