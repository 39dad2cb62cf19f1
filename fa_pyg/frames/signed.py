"""Frames of the same axes with different signs, as PCA frames are."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from fa_pyg.frames.base import ALL_RANKS, NO_RANK
from fa_pyg.frames.euclidean import Frames
from fa_pyg.frames.motion import MotionFrames, written
from fa_pyg.frames.rows import Rows
from fa_pyg.math.columns import from_columns, rotated, take
from fa_pyg.math.copies import sign_pattern, signed_copies
from fa_pyg.math.linalg import gather, rotate, rotate_back
from fa_pyg.reps import Rep
from fa_pyg.typed import cached, computed

__all__ = ["SignedFrames"]

# Eigenvalues that differ by less than this fraction count as equal in exactness information: files hold four
# or five digits of a coordinate.
_SAME = 1e-4
# Eigenvalues below this fraction of the largest count as 0.
_NO_SPREAD = 1e-12


@Frames.register
@dataclass(frozen=True, eq=False, repr=False)
class SignedFrames(MotionFrames):
    """Equally weighted frames ``axes * signs``: a pose for each body in all sign patterns.

    A rotation by the axes is shared by all K frames, and signs are cheap. Builds rotation, body and weight
    lazily; most code needs only axes and signs. Registered as a :class:`~fa_pyg.Frames`.

    Args:
        axes: orthogonal matrices, the axes in the columns.
        signs: the sign patterns.
        origin: the origin of each body's motions; None leaves points where they are.
        batch: the body of each node, for node-level tensors.
        moments: the matrices with these principal axes; exactness is computed from them.
        reads_all: whether the axes were computed from all declared inputs and nodes; of each body.

    Shapes:
        axes and moments ``[B, d, d]``, signs ``[K, d]``, origin ``[B, d]``, batch ``[N]``, reads_all a bool
        or ``[B]``.
    """

    axes: Tensor
    signs: Tensor
    origin: Tensor | None = None
    batch: Tensor | None = None
    moments: Tensor | None = None
    reads_all: bool | Tensor = False
    scale: Tensor | None = field(default=None, init=False)  # see with_similarity
    velocity: Tensor | None = field(default=None, init=False)

    def explicit(self) -> Frames:
        """Return the same frames as matrices with weights (:class:`~fa_pyg.Frames`)."""
        given = (self.rotation, self.body, self.weight, self.origin, self.batch, self.num_bodies)
        return Frames(*given).with_exact(self.exact).with_similarity(self.scale, self.velocity)

    @computed
    def num_bodies(self) -> int:
        return self.axes.size(0)

    @computed
    def slots(self) -> int:
        return self.signs.size(0)

    @property
    def num_frames(self) -> int:
        return self.slots * self.num_bodies

    @property
    def _like(self) -> Tensor:
        return self.axes

    @property
    def _factors(self) -> tuple[Tensor, Tensor]:
        return self.axes, self.signs

    @cached
    def rotation(self) -> Tensor:
        return (self.axes * self.signs[:, None, None, :]).flatten(0, 1)

    @cached
    def body(self) -> Tensor:
        return torch.arange(self.num_bodies, device=self.axes.device).repeat(self.slots)

    @cached
    def weight(self) -> Tensor:
        return self.axes.new_full((self.slots * self.num_bodies,), 1 / self.slots)

    @cached
    def exact(self) -> Tensor | None:
        """NO_RANK where eigenvalues coincide; 1 where only zeros do, as all signs average vectors to 0."""
        if self.moments is None:
            return None
        values = (self.axes.detach() * (self.moments @ self.axes.detach())).sum(-2).abs().sort(dim=-1).values
        far = 0 if self.origin is None else self.origin.detach().square().sum(-1, keepdim=True)
        rounding = (32 * torch.finfo(values.dtype).eps) ** 2 * far
        zero = values <= torch.maximum(_NO_SPREAD * values[:, -1:], rounding + 0 * values[:, -1:])
        low, high = values[:, :-1], values[:, 1:]
        meet = high - low <= _SAME * high
        wrong, flat = (meet & ~zero[:, 1:]).any(-1), zero[:, 1:].any(-1)
        reads_all = torch.as_tensor(self.reads_all, device=values.device)
        of_flat = torch.where(reads_all, 1, NO_RANK)
        rank = torch.where(flat, of_flat, torch.full_like(wrong, ALL_RANKS, dtype=torch.long))
        return torch.where(wrong, NO_RANK, rank)

    def _framed(
        self, x: Tensor, rep: Rep, rows: Rows, dtype: torch.dtype, out: Tensor | None = None
    ) -> Tensor:
        if rep.pseudo or not rep.rank:
            return written(self._in_frames(x, rep, rows, dtype), out)
        y = rotate(x, gather(self.axes, self._body(rows)), rep.rank).to(dtype)
        if torch.compiler.is_compiling():
            y = torch.stack(y.unbind(-1), dim=-1)  # materialize: fused code would rotate again for every slot
        copies = signed_copies(y, sign_pattern(self.signs, rep.rank, y.unsqueeze(0)), out)
        return copies.flatten(0, 1) if out is None else out

    def _framed_columns(self, x: Tensor, rows: Rows, dtype: torch.dtype, out: Tensor | None = None) -> Tensor:
        axes = take(self._columns, self._body(rows))
        y = from_columns(rotated(x, axes), dtype)
        copies = signed_copies(y, self.signs.to(dtype).unsqueeze(1), out)
        return copies.flatten(0, 1) if out is None else out

    def _averaged(self, y: Tensor, rep: Rep, rows: Rows) -> Tensor:
        if rep.pseudo:
            return self._mean(y, rep, rows)
        z = torch.unflatten(y, 0, (self.slots, rows.count))
        z = (z * sign_pattern(self.signs, rep.rank, z) if rep.rank else z).mean(
            0
        )  # one rotation shared by all K copies
        return rotate_back(z, gather(self.axes, self._body(rows)), rep.rank)
