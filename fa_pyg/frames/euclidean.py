"""Frames of motions as explicit matrices with weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from fa_pyg import checks
from fa_pyg.frames.base import ALL_RANKS, NO_RANK
from fa_pyg.frames.motion import MotionFrames, written
from fa_pyg.frames.rows import Rows
from fa_pyg.frames.slots import slot_major
from fa_pyg.math.columns import from_columns, rotated, take
from fa_pyg.math.ragged import index_within_body
from fa_pyg.reps import Rep

if TYPE_CHECKING:
    from fa_pyg.frames.signed import SignedFrames

__all__ = ["ALL_RANKS", "NO_RANK", "Frames"]


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Frames(MotionFrames):
    r"""The frames F(x) of a batch: finitely many weighted motions :math:`g = (R, t)` for each body.

    .. math:: \langle\Phi\rangle(x) = \sum_{g \in F(x)} w_g\, \rho_{out}(g)\, \Phi(\rho_{in}(g)^{-1} x)

    Frames belong to a *body*: a graph (or a node, for local frames). All F frames of the batch lie in one
    tensor in *slot-major* order: slot k lists every body with at least k + 1 frames. Bodies may have
    different numbers of frames. Frames are immutable.

    Args:
        rotation: orthogonal matrices, the axes of a frame in the columns.
        body: the body of each frame, in any order (they are sorted). Default: one frame a body.
        weight: sums to 1 over each body. Default: equal weights.
        origin: the origin of each body's motions; None leaves points where they are.
        batch: the body of each node, for node-level tensors. Default: a single body, or one node a body.
        num_bodies: B; default the largest ``body`` plus one.

    Shapes:
        rotation ``[F, d, d]``, body ``[F]``, weight ``[F]``, origin ``[B, d]``, batch ``[N]``.

    Raises:
        ValueError: if the shapes do not fit, or a body has no frame.

    Not guaranteed: that ``rotation`` is orthogonal and the weights sum to 1; neither is checked.
    """

    rotation: Tensor
    body: Tensor
    weight: Tensor
    origin: Tensor | None
    batch: Tensor | None
    num_bodies: int
    # Set by the library only: K where every body has K frames, 0 where they differ.
    slots: int = field(init=False)
    exact: Tensor | None = field(default=None, init=False)  # see exact_for
    scale: Tensor | None = field(default=None, init=False)  # see with_similarity
    velocity: Tensor | None = field(default=None, init=False)

    def __init__(
        self,
        rotation: Tensor,
        body: Tensor | None = None,
        weight: Tensor | None = None,
        origin: Tensor | None = None,
        batch: Tensor | None = None,
        num_bodies: int | None = None,
    ) -> None:
        checks.instance("batch", batch, Tensor, "a tensor", optional=True)
        if batch is not None and (batch.dtype != torch.long or batch.dim() != 1):
            found = f"{batch.dtype} {list(batch.shape)}"
            raise ValueError(f"batch: expected the body of each node, int64 [N], found {found}")
        values = slot_major(rotation, body, weight, origin, num_bodies)
        for name, value in {**values, "origin": origin, "batch": batch}.items():
            object.__setattr__(self, name, value)

    @classmethod
    def uniform(
        cls,
        rotation: Tensor,
        origin: Tensor | None = None,
        batch: Tensor | None = None,
        exact: int | Tensor | None = None,
    ) -> Frames:
        """Return K equally weighted frames a body, from ``rotation [K, B, d, d]``, without a sync.

        ``exact`` is the rank up to which they are exact (:meth:`exact_for`), such as :data:`ALL_RANKS` or
        :data:`NO_RANK`: one for all bodies, or ``[B]``.
        """
        k, size, d, _ = rotation.shape
        body = torch.arange(size, device=rotation.device).repeat(k)
        weight = rotation.new_full((k * size,), 1 / k)
        return cls.made(
            rotation=rotation.reshape(-1, d, d),
            body=body,
            weight=weight,
            origin=origin,
            batch=batch,
            num_bodies=size,
            slots=k,
            exact=torch.full_like(body[:size], exact) if isinstance(exact, int) else exact,
        )

    @staticmethod
    def signed(
        axes: Tensor,
        signs: Tensor,
        origin: Tensor | None = None,
        batch: Tensor | None = None,
        moments: Tensor | None = None,
        reads_all: bool | Tensor = False,
    ) -> SignedFrames:
        """Return :class:`~fa_pyg.frames.signed.SignedFrames` ``axes * signs``.

        A pose ``[B, d, d]`` for each body in all sign patterns ``[K, d]``.
        """
        from fa_pyg.frames.signed import SignedFrames  # a circular import at module level

        return SignedFrames.made(
            axes=axes,
            signs=signs,
            origin=origin,
            batch=batch,
            moments=None if moments is None else moments.detach(),
            reads_all=reads_all,
            scale=None,
            velocity=None,
        )

    @classmethod
    def ragged(
        cls,
        rotation: Tensor,
        body: Tensor,
        weight: Tensor,
        size: int,
        origin: Tensor | None = None,
        batch: Tensor | None = None,
        exact: Tensor | None = None,
    ) -> Frames:
        """Return frames in any order, at least one a body, without checks and without a sync."""
        counts = torch.bincount(body, minlength=size)
        # Also needed where each body has one frame: they may come in any order.
        order = torch.argsort(index_within_body(body, counts) * size + body)
        rotation, body, weight = (x.index_select(0, order) for x in (rotation, body, weight))
        given = {"rotation": rotation, "body": body, "weight": weight, "origin": origin, "batch": batch}
        slots = body.size(0) if size == 1 else int(body.size(0) == size)
        return cls.made(**given, num_bodies=size, slots=slots, exact=exact)

    @property
    def _like(self) -> Tensor:
        return self.rotation

    @property
    def _factors(self) -> tuple[Tensor, Tensor]:
        return self.rotation, self.rotation.new_ones(1, self.dim)

    def _framed(
        self, x: Tensor, rep: Rep, rows: Rows, dtype: torch.dtype, out: Tensor | None = None
    ) -> Tensor:
        return written(self._in_frames(x, rep, rows, dtype), out)

    def _framed_columns(self, x: Tensor, rows: Rows, dtype: torch.dtype, out: Tensor | None = None) -> Tensor:
        row, frame = self._copied(rows)
        x = x if self.slots == 1 else take(x, row)
        return written(from_columns(rotated(x, take(self._columns, frame)), dtype), out)

    def _averaged(self, y: Tensor, rep: Rep, rows: Rows) -> Tensor:
        return self._mean(y, rep, rows)
