"""Frames of a few poses for each body, each of them in all patterns of signs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
from typing import TypeVar

import torch
from torch import Tensor

from fa_pyg.frames.base import Sources
from fa_pyg.frames.euclidean import Frames
from fa_pyg.frames.rows import Rows
from fa_pyg.lazy import cached_property
from fa_pyg.math.copies import sign_pattern, signed_copies
from fa_pyg.math.ragged import index_within_body
from fa_pyg.reps import Rep
from fa_pyg.typed import total

__all__ = ["PosedFrames"]

Self = TypeVar("Self", bound="PosedFrames")


@dataclass(frozen=True, eq=False, repr=False, init=False)
class PosedFrames(Frames):
    r"""The frames :math:`R_p \, \mathrm{diag}(s_k)` of poses p in k patterns of signs, which share a weight.

    As :class:`~fa_pyg.Frames`, but vectors are rotated once into each pose, and not again for its signs. The
    slots of a body are those of its first pose, one for each pattern, then those of its second one.

    Args:
        poses: the poses, with their weights.
        signs: the patterns.

    Shapes:
        signs ``[k, d]``.
    """

    poses: Frames
    signs: Tensor

    @classmethod
    def of(cls, poses: Frames, signs: Tensor, slot: Tensor | None = None) -> PosedFrames:
        """Return poses in all patterns of signs, at least one pose of each body.

        Args:
            poses: the poses.
            signs: the patterns.
            slot: the slot of each pose ``[P]``, which otherwise takes a sync to find.
        """
        rows = poses.num_bodies * (poses.slots or 1)  # the first poses of all bodies are in order
        parts = [_turned(poses, slice(rows), poses.slots or 1, signs)]
        if poses.num_frames > rows:
            k, size, rest = len(signs), poses.num_bodies, slice(rows, None)
            slot = index_within_body(poses.body, poses.counts) if slot is None else slot
            pattern = torch.arange(k, device=slot.device).unsqueeze(1)
            order = torch.argsort(((slot[rest] * k + pattern) * size + poses.body[rest]).flatten())
            parts.append(tuple(x.index_select(0, order) for x in _turned(poses, rest, 1, signs)))
        rotation, body, weight = (torch.cat(part) for part in zip(*parts, strict=True))
        return cls.made(
            rotation=rotation,
            body=body,
            weight=weight,
            origin=poses.origin,
            batch=poses.batch,
            num_bodies=poses.num_bodies,
            slots=len(signs) * poses.slots,
            exact=poses.exact,
            poses=poses,
            signs=signs,
        )

    @cached_property
    def slot_sizes(self) -> list[int]:
        return [size for size in self.poses.slot_sizes for _ in self.signs]

    @property
    def _factors(self) -> tuple[Tensor, Tensor]:
        return self.poses.rotation, self.signs

    def _map(self: Self, change: Callable[[Tensor], Tensor]) -> Self:
        changed = super()._map(change)
        return self.made(**{**vars(changed), "poses": self.poses._map(change)})

    def _in_order(self, rows: Rows) -> Sources:
        """Found once for all signs of a pose."""
        if self.slots:
            return super()._in_order(rows)
        k, sizes, sources = len(self.signs), self.poses.slot_sizes, self.poses._in_order(rows)
        starts = [0, *accumulate(sizes)]
        return [
            (row, frame + ((k - 1) * start + j * size))
            for (row, frame), start, size in zip(sources, starts, sizes, strict=False)
            for j in range(k)
        ]

    def _framed(
        self, x: Tensor, rep: Rep, rows: Rows, dtype: torch.dtype, out: Tensor | None = None
    ) -> Tensor:
        if rep.pseudo or not rep.rank:
            return super()._framed(x, rep, rows, dtype, out)
        return self._in_signs(self.poses._framed(x, rep, rows, dtype), rep.rank, rows, out)

    def _framed_columns(self, x: Tensor, rows: Rows, dtype: torch.dtype, out: Tensor | None = None) -> Tensor:
        return self._in_signs(self.poses._framed_columns(x, rows, dtype), 1, rows, out)

    def _in_signs(self, y: Tensor, rank: int, rows: Rows, out: Tensor | None) -> Tensor:
        """Copies of what is in the poses, ``[M, ...]`` or written to ``out [K, n, ...]``, in all signs."""
        pattern, k = sign_pattern(self.signs, rank, y.unsqueeze(0)), len(self.signs)
        parts = [y[block] for block in self._blocks(rows)]
        if out is None:
            copies = [signed_copies(part, pattern).flatten(0, 1) for part in parts]
            return copies[0] if len(copies) == 1 else torch.cat(copies)
        for i, part in enumerate(parts):
            signed_copies(part, pattern, out[i * k : (i + 1) * k])
        return out

    def _averaged(self, y: Tensor, rep: Rep, rows: Rows) -> Tensor:
        if rep.pseudo:
            return super()._averaged(y, rep, rows)
        k = len(self.signs)
        means: list[Tensor] = []
        for block in self._blocks(rows):
            z = torch.unflatten(y[block.start * k : block.stop * k], 0, (k, block.stop - block.start))
            z = z * sign_pattern(self.signs, rep.rank, z) if rep.rank else z
            means.append(total(z.unbind(0)) / k)  # slot by slot, as all averages
        return self.poses._averaged(means[0] if len(means) == 1 else torch.cat(means), rep, rows)

    def _blocks(self, rows: Rows) -> list[slice]:
        """The rows of each slot of the poses."""
        if self.poses.slots:
            return _blocks([rows.count] * self.poses.slots)
        return _blocks([len(row) for row, _ in self.poses.sources_by_slot(rows)])


def _turned(poses: Frames, some: slice, slots: int, signs: Tensor) -> tuple[Tensor, ...]:
    """Rotations, bodies and weights of some poses in all signs: slot by slot, pattern by pattern."""
    k = len(signs)
    rotation, body, weight = (
        torch.unflatten(x[some], 0, (slots, -1)).unsqueeze(1)
        for x in (poses.rotation, poses.body, poses.weight / k)
    )
    turned = rotation * signs.view(k, 1, 1, -1)
    return turned.flatten(0, 2), *(x.expand(-1, k, -1).flatten() for x in (body, weight))


def _blocks(sizes: list[int]) -> list[slice]:
    ends = list(accumulate(sizes))
    return [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]
