"""Frames of motions as values: tensors transformed into frames, back, and averaged over them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor

from fa_pyg.frames.base import NO_RANK, FrameSet, LevelLike, Sources
from fa_pyg.frames.rows import Rows
from fa_pyg.frames.similarity import align, moved, moved_back
from fa_pyg.lazy import cached_property
from fa_pyg.math.columns import columns, take
from fa_pyg.math.copies import poses
from fa_pyg.math.linalg import det, gather, is_plain, rotate, rotate_back, scatter_sum, working_dtype
from fa_pyg.reps import Rep, RepLike
from fa_pyg.typed import computed, total

if TYPE_CHECKING:
    from fa_pyg.frames.euclidean import Frames

__all__ = ["MotionFrames", "written"]

_MANY = 1 << 14  # rows: fewer are framed at once
_BLOCK = 1 << 15  # rows

Self = TypeVar("Self", bound="MotionFrames")
Rotation = Callable[[Tensor, Tensor, int], Tensor]


class MotionFrames(FrameSet):
    r"""The frames F(x) of a batch under a group of motions :math:`g = (R, t)`.

    A subclass stores the rotations, and implements how tensors are framed and averaged. In groups that scale
    or boost, all elements of a body share a scale and a velocity, :math:`g = (R, t, \lambda, u)`.
    """

    rotation: Tensor
    origin: Tensor | None
    exact: Tensor | None
    scale: Tensor | None
    velocity: Tensor | None
    keeps_rows = True

    @property
    @abstractmethod
    def _like(self) -> Tensor:
        """The matrices of the frames, or what they share, ``[F, d, d]``: of their type and dimension."""

    @cached_property
    def _columns(self) -> Tensor:
        """The matrices as ``[d, d, F]``: made once for all blocks of rows."""
        return self._like.movedim(0, -1).contiguous()

    @property
    @abstractmethod
    def _factors(self) -> tuple[Tensor, Tensor]:
        """Matrices and patterns of signs whose products are the rotations, for a single body."""

    @abstractmethod
    def _framed(
        self, x: Tensor, rep: Rep, rows: Rows, dtype: torch.dtype, out: Tensor | None = None
    ) -> Tensor:
        """The copies ``[M, ...]`` of ``x`` with explicit geometric axes, relative to the origin.

        Written to ``out [K, n, ...]`` if it is given, which is then returned.
        """

    @abstractmethod
    def _framed_columns(self, x: Tensor, rows: Rows, dtype: torch.dtype, out: Tensor | None = None) -> Tensor:
        """As :meth:`_framed`, for vectors ``[d, n]``."""

    @abstractmethod
    def _averaged(self, y: Tensor, rep: Rep, rows: Rows) -> Tensor:
        """The average of copies ``y`` with explicit geometric axes, relative to the origin."""

    @computed
    def dim(self) -> int:
        return self._like.size(-1)

    @property
    def moves_edges(self) -> bool:
        return False

    @property
    def device(self) -> torch.device:
        return self._like.device

    @cached_property
    def determinant(self) -> Tensor:
        """Determinant of each frame, +1 or -1, ``[F]``; piecewise constant, so without a gradient."""
        return det(self.rotation.detach()).sign()

    def exact_for(self, rep: RepLike = "scalar") -> Tensor:
        """Return for each body whether averages of such outputs are exactly equivariant, ``[B]`` bool.

        Exact in exact arithmetic, for any model: either these are frames of the input in the full sense, or
        averages of tensors of this rank are the same as over all frames. Assumes that every symmetry of the
        points is also one of the other declared inputs. Bodies of scale 0 are not exact.

        Raises:
            ValueError: if the frames carry no exactness information.
        """
        if self.exact is None:
            raise ValueError(f"{self}: expected exactness information (with_exact), found none")
        exact = self.exact >= Rep.of(rep).rank
        return exact if self.scale is None else exact & (self.scale != 0)

    def __repr__(self) -> str:
        kind = f"{self.slots} a body" if self.slots else "ragged"
        return f"Frames({self.num_frames} in {self.dim} dimensions, {self.num_bodies} bodies, {kind})"

    def sources_by_slot(self, rows: Rows) -> Sources:
        return self._in_order(rows)

    # ---------------------------------------------------------------------------------- the equation

    def to_frame(self, x: Tensor, rep: RepLike = "vector", level: LevelLike = None) -> Tensor:
        r"""Return :math:`\rho(g)^{-1} x` for every frame g of each row's body.

        Args:
            x: node- or graph-level tensor ``[n, ...]`` (or of any level, see ``level``).
            rep: how x transforms.
            level: "node", "graph" or the body of each row ``[n]``; inferred from the size of x by default.

        Shapes:
            ``[M, ...]``: the copies in slot-major order (:meth:`rows`), ``[K * n, ...]`` for K frames a body.

        Raises:
            ValueError: if x is not floating point or its shape fits neither ``rep`` nor a level.
        """
        rep, rows = Rep.of(rep), self._rows_of(x.size(0), level)
        if torch.compiler.is_compiling() or rows.count <= _MANY or not self.slots:  # guards no size
            return self._to_frame(x, rep, rows)
        if not is_plain(x, self._like, self.origin, self.scale, self.velocity):
            return self._to_frame(x, rep, rows)
        if self.num_bodies == 1 and self._is_vector_each(x, rep):
            origin = self.origin if rep.affine else None
            return poses(x, origin if origin is None else origin[0], *self._factors).flatten(0, 1)
        # Block by block, what is computed on the way stays in the processor's cache.
        copies = x.new_empty(self.slots, *x.shape)
        for start in range(0, rows.count, _BLOCK):
            some = slice(start, start + _BLOCK)
            part = Rows(
                rows.level, None if rows.body is None else rows.body[some], min(_BLOCK, rows.count - start)
            )
            self._to_frame(x[some], rep, part, copies[:, some])
        return copies.flatten(0, 1)

    def _is_vector_each(self, x: Tensor, rep: Rep) -> bool:
        """Whether x is a real vector for each row, in precise frames that neither scale nor boost."""
        is_vector = rep.rank == 1 and not rep.pseudo and not rep.flat and x.shape[1:] == (self.dim,)
        is_euclidean = self.scale is None and self.velocity is None
        is_real = x.is_floating_point() and self._like.dtype is working_dtype(x)
        return is_vector and is_euclidean and is_real and not torch.compiler.is_compiling()

    def _to_frame(self, x: Tensor, rep: Rep, rows: Rows, out: Tensor | None = None) -> Tensor:
        if self._is_vector_each(x, rep):
            y = columns(x)
            if rep.affine and self.origin is not None:
                y = y - take(self.origin.mT, self._body(rows))
            return self._framed_columns(y, rows, x.dtype, out)
        y = self._explicit(x, rep)
        if rep.affine and self.origin is not None:
            y = y - align(gather(self.origin, self._body(rows)), y)
        y = moved_back(y, rep, self._body(rows), self.scale, self.velocity)
        if out is not None:
            return self._framed(y, rep, rows, x.dtype, out.view(-1, *y.shape))
        y = self._framed(y, rep, rows, x.dtype)
        return y.reshape(y.size(0), *x.shape[1:])

    def from_frame(self, y: Tensor, rep: RepLike = "vector", level: LevelLike = None) -> Tensor:
        r"""Return :math:`\rho(g)\, y` for copies ``y [M, ...]`` in the order of :meth:`to_frame`."""
        rep, rows = Rep.of(rep), self._source_rows(y.size(0), level)
        frame = self._copied(rows)[1]
        z = self._rotated(rotate_back, self._explicit(y, rep), frame, rep)
        if rep.affine or rep.scale or rep.boost:
            body = self.body.index_select(0, frame)
            z = moved(z, rep, body, self.scale, self.velocity)
            if rep.affine and self.origin is not None:
                z = z + align(self.origin.index_select(0, body), z)
        return z.to(y.dtype).reshape(y.shape)

    def average(self, y: Tensor, rep: RepLike = "scalar", level: LevelLike = None) -> Tensor:
        r"""Return :math:`\sum_g w_g\, \rho(g)\, y_g`: the copies rotated back and averaged.

        Args:
            y: a model's outputs ``[M, ...]`` on the copies, in the order of :meth:`to_frame`.
            rep: how the output transforms.
            level: "node", "graph" or the body of each *source* row ``[n]``; inferred from the size of y by
                default.

        Shapes:
            ``[n, ...]`` in the type of y, summed in the wider of its type and the frames'.

        Raises:
            ValueError: as :meth:`to_frame`, with the sizes that would fit.
        """
        rep, rows = Rep.of(rep), self._source_rows(y.size(0), level)
        z = self._averaged(self._explicit(y, rep), rep, rows)
        z = moved(z, rep, self._body(rows), self.scale, self.velocity)
        if rep.affine and self.origin is not None:
            z = z + align(gather(self.origin, self._body(rows)), z)
        return z.to(y.dtype).reshape(rows.count, *y.shape[1:])

    def with_similarity(self: Self, scale: Tensor | None, velocity: Tensor | None) -> Self:
        """Return the same frames with this scale ``[B]`` and velocity ``[B, d]`` of each body."""
        return self.made(**{**vars(self), "scale": scale, "velocity": velocity})

    def with_one_frame(self, bodies: Tensor) -> Frames:
        """Return frames in which some bodies (``[B]`` bool) keep only their first."""
        from fa_pyg.frames.euclidean import Frames  # a circular import at module level

        kept, weight = self._without_later(bodies)
        rotation, body, weight = (x.index_select(0, kept) for x in (self.rotation, self.body, weight))
        frames = Frames.ragged(rotation, body, weight, self.num_bodies, self.origin, self.batch, self.exact)
        return frames.with_similarity(self.scale, self.velocity)

    def sample(self, k: int = 1, generator: torch.Generator | None = None) -> Frames:
        """Draw k frames for each body by weight, of weight 1 / k each: averages stay unbiased.

        Systematic sampling: the points (u + i) / k, u uniform, on a body's cumulative weights. Frames of
        equal weight are thus drawn without replacement, and k = K takes every frame exactly once.

        Raises:
            ValueError: if k is not a positive integer.
        """
        from fa_pyg.frames.euclidean import Frames

        chosen, size = self._drawn(k, generator).reshape(-1), self.num_bodies
        rotation = self.rotation.index_select(0, chosen).view(k, size, self.dim, self.dim)
        frames = Frames.uniform(rotation, self.origin, self.batch, exact=NO_RANK)
        return frames.with_similarity(self.scale, self.velocity)

    # ---------------------------------------------------------------------------------- tensors

    def _body(self, rows: Rows) -> Tensor | None:
        """The body of each row; None for a single one: what belongs to it broadcasts."""
        return None if self.num_bodies == 1 else rows.body

    def _explicit(self, x: Tensor, rep: Rep) -> Tensor:
        """Return ``x`` with explicit geometric axes, in the wider of its type and the frames'."""
        if not (x.is_floating_point() or x.is_complex()):
            raise ValueError(f"{rep}: expected floating point numbers, found {x.dtype}")
        shape = rep.layout(tuple(x.shape), self.dim)
        return x.reshape(shape).to(torch.promote_types(x.dtype, self._like.dtype))

    def _rotated(
        self, apply: Callable[[Tensor, Tensor, int], Tensor], x: Tensor, frame: Tensor, rep: Rep
    ) -> Tensor:
        y = apply(x, self.rotation.index_select(0, frame), rep.rank) if rep.rank else x
        return y * align(self.determinant.index_select(0, frame), y) if rep.pseudo else y

    def _in_frames(self, x: Tensor, rep: Rep, rows: Rows, dtype: torch.dtype) -> Tensor:
        """:meth:`_framed`, frame by frame."""
        row, frame = self._copied(rows)
        return self._rotated(rotate, x if self.slots == 1 else x.index_select(0, row), frame, rep).to(dtype)

    def _mean(self, y: Tensor, rep: Rep, rows: Rows) -> Tensor:
        """:meth:`_averaged`, frame by frame."""
        row, frame = self._copied(rows)
        z = self._rotated(rotate_back, y, frame, rep)
        z = z * align(self.weight.index_select(0, frame), z)
        if self.slots:
            # Slot by slot, as ragged sums: the last digit of an average does not depend on other bodies.
            return total(torch.unflatten(z, 0, (self.slots, rows.count)).unbind(0))
        return scatter_sum(z, row, rows.count)


def written(copies: Tensor, out: Tensor | None) -> Tensor:
    """Return ``copies [M, ...]``, written to ``out [K, n, ...]`` if it is given."""
    return copies if out is None else out.copy_(copies.view(out.shape))
