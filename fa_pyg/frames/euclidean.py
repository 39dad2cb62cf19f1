"""The value of a frame on one batch: group elements and weights, and what one does with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from fa_pyg import checks
from fa_pyg.frames.base import FrameSet, Level
from fa_pyg.frames.slots import slot_major
from fa_pyg.math.linalg import det, gather, rotate, rotate_back, scatter_sum, signed_copies
from fa_pyg.math.ragged import index_within_body
from fa_pyg.reps import Rep, RepLike

__all__ = ["ALL_RANKS", "Frames"]

ALL_RANKS = 1 << 30
"""How exact frames are (:meth:`Frames.exact_for`) that are exact for outputs of every rank."""

# Eigenvalues that differ by less than this share count as equal when frames tell how exact they are: files
# hold four or five digits of a coordinate.
_SAME = 1e-4
# Below this share of the largest, eigenvalues count as 0.
_NO_SPREAD = 1e-12


@dataclass(frozen=True, eq=False, repr=False)
class Frames(FrameSet):
    r"""The frames F(x) of a batch: finitely many weighted motions :math:`g = (R, t)` for each body.

    .. math:: \langle\Phi\rangle(x) = \sum_{g \in F(x)} w_g\, \rho_{out}(g)\, \Phi(\rho_{in}(g)^{-1} x)

    A *body* owns frames: a graph (or a node, for local frames). All F frames of the batch lie in one tensor
    in *slot-major* order: the first frame of every body, then the second of every body that has one, and so
    on; bodies may have different numbers of frames. Frames are immutable.

    Args:
        rotation: orthogonal matrices, a frame's axes in the columns.
        body: the body of each frame, in any order (they are sorted). Default: one frame a body.
        weight: sums to 1 over each body. Default: equal weights.
        origin: where each body's motions translate from; None leaves points where they are.
        batch: the body of each node, for node-level tensors. Default: one body, or one node a body.
        num_bodies: B; default the largest ``body`` plus one.

    Shapes:
        rotation ``[F, d, d]``, body ``[F]``, weight ``[F]``, origin ``[B, d]``, batch ``[N]``.

    Raises:
        ValueError: if the shapes do not fit, or a body has no frame.

    Not guaranteed: that ``rotation`` is orthogonal and the weights sum to 1; neither is checked.
    """

    rotation: Tensor
    body: Tensor | None = None
    weight: Tensor | None = None
    origin: Tensor | None = None
    batch: Tensor | None = None
    num_bodies: int | None = None
    # Set by the library only. `slots` is K where every body has K frames, 0 where they differ. Where
    # rotation = axes[body] * signs[slot], the axes need to be applied once and the signs are cheap.
    slots: int | None = field(default=None, init=False)
    axes: Tensor | None = field(default=None, init=False)
    signs: Tensor | None = field(default=None, init=False)
    moments: Tensor | None = field(default=None, init=False)  # what the axes are the principal axes of
    alone: bool | Tensor = field(default=False, init=False)
    exact: Tensor | None = field(default=None, init=False)  # see exact_for

    def __post_init__(self) -> None:
        checks.instance("batch", self.batch, Tensor, "a tensor", optional=True)
        if self.batch is not None and (self.batch.dtype != torch.long or self.batch.dim() != 1):
            found = f"{self.batch.dtype} {list(self.batch.shape)}"
            raise ValueError(f"batch: expected the body of each node, int64 [N], found {found}")
        given = (self.rotation, self.body, self.weight, self.origin, self.num_bodies)
        for name, value in slot_major(*given).items():
            object.__setattr__(self, name, value)

    @classmethod
    def uniform(
        cls,
        rotation: Tensor,
        origin: Tensor | None = None,
        batch: Tensor | None = None,
        exact: int | Tensor | None = None,
    ) -> Frames:
        """Returns K equally weighted frames a body, from ``rotation [K, B, d, d]``, without a sync.

        ``exact`` is the rank up to which they are exact (:meth:`exact_for`): :data:`ALL_RANKS`, or -1 for
        none; of all bodies or of each, ``[B]``.
        """
        k, size, d, _ = rotation.shape
        body = torch.arange(size, device=rotation.device).repeat(k)
        weight = rotation.new_full((k * size,), 1 / k)
        return cls._made(
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
        alone: bool | Tensor = False,
    ) -> Frames:
        """Returns frames ``axes * signs``: a pose ``[B, d, d]`` a body in all sign patterns ``[K, d]``.

        ``moments [B, d, d]``, whose principal axes they are, tell how exact they are (:meth:`exact_for`);
        ``alone`` says, for all bodies or each (``[B]`` bool), that they leave out no declared input and node.
        """
        moments = None if moments is None else moments.detach()
        given = {"axes": axes, "signs": signs, "origin": origin, "batch": batch, "moments": moments}
        given["alone"] = alone
        return _SignedFrames._made(**given, num_bodies=len(axes), slots=len(signs))

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
        """Returns frames of any order and number, at least one a body, without a check and without a sync."""
        counts = torch.bincount(body, minlength=size)
        # Also where each body has one: they may come in any order.
        order = torch.argsort(index_within_body(body, counts) * size + body)
        rotation, body, weight = (x.index_select(0, order) for x in (rotation, body, weight))
        given = {"rotation": rotation, "body": body, "weight": weight, "origin": origin, "batch": batch}
        slots = len(body) if size == 1 else int(len(body) == size)
        return cls._made(**given, num_bodies=size, slots=slots, exact=exact)

    # ---------------------------------------------------------------------------------- what it is

    @property
    def dim(self) -> int:
        return self._like.size(-1)

    @property
    def device(self) -> torch.device:
        return self._like.device

    @property
    def _like(self) -> Tensor:
        """A tensor of the type, on the device and in the dimension of the frames."""
        return self.rotation if self.axes is None else self.axes

    @cached_property
    def determinant(self) -> Tensor:
        """det R of each frame, +1 or -1, ``[F]``; piecewise constant, so it carries no gradient."""
        return det(self.rotation.detach()).sign()

    def exact_for(self, rep: RepLike = "scalar") -> Tensor:
        """Returns for each body whether averages of such outputs are exactly equivariant, ``[B]`` bool.

        Exact in exact arithmetic, for any model: whether these are frames of the input in the full sense, or
        their average over the input's symmetries is that of all for tensors of this rank. Taken for granted:
        declared inputs that an input symmetry of the points leaves alone.

        Raises:
            ValueError: if whoever made the frames did not say.
        """
        if self.exact is None:
            raise ValueError(f"{self}: made without a word of how exact they are")
        return self.exact >= Rep.of(rep).rank

    def __repr__(self) -> str:
        kind = f"{self.slots} a body" if self.slots else "ragged"
        return f"Frames({self.num_frames} in {self.dim} dimensions, {self.num_bodies} bodies, {kind})"

    def to(self, *args, **kwargs) -> Frames:
        """Moves or casts, like :meth:`torch.Tensor.to`; indices keep their type."""
        _ = self.exact  # decided in the wide type
        return super().to(*args, **kwargs)

    # ---------------------------------------------------------------------------------- the equation

    def to_frame(self, x: Tensor, rep: RepLike = "vector", level: Level = None) -> Tensor:
        r"""Returns :math:`\rho(g)^{-1} x` for every frame g of each row's body.

        Args:
            x: node- or graph-level tensor ``[n, ...]`` (or of any level, see ``level``).
            rep: how x transforms.
            level: "node", "graph" or the body of each row ``[n]``; default by the size of x.

        Shapes:
            ``[M, ...]``: the copies in slot-major order (:meth:`rows`), ``[K * n, ...]`` for K frames a body.

        Raises:
            ValueError: if x is not floating point or its shape fits neither ``rep`` nor a level.
        """
        rep, index = Rep.of(rep), self._index(len(x), level)
        y = self._explicit(x, rep)
        if rep.affine and self.origin is not None:
            y = y - _align(gather(self.origin, index), y)
        if self.signs is not None and rep.rank and not rep.pseudo:
            y = rotate(y, gather(self.axes, index), rep.rank).to(x.dtype)
            if torch.compiler.is_compiling():
                y = torch.stack(y.unbind(-1), dim=-1)  # stored: every slot would turn it anew
            pattern = self._pattern(rep, y.unsqueeze(0))
            return signed_copies(y, pattern).reshape(self.slots * len(x), *x.shape[1:])
        row, frame = self.rows(index, len(x))
        y = y if self.slots == 1 else y.index_select(0, row)
        return self._turned(rotate, y, frame, rep).to(x.dtype).reshape(len(row), *x.shape[1:])

    def from_frame(self, y: Tensor, rep: RepLike = "vector", level: Level = None) -> Tensor:
        r"""Returns :math:`\rho(g)\, y` for copies ``y [M, ...]`` in the order of :meth:`to_frame`."""
        rep, (index, n) = Rep.of(rep), self._source(len(y), level)
        frame = self.rows(index, n)[1]
        z = self._turned(rotate_back, self._explicit(y, rep), frame, rep)
        if rep.affine and self.origin is not None:
            z = z + _align(self.origin.index_select(0, self.body.index_select(0, frame)), z)
        return z.to(y.dtype).reshape(y.shape)

    def average(self, y: Tensor, rep: RepLike = "scalar", level: Level = None) -> Tensor:
        r"""Returns :math:`\sum_g w_g\, \rho(g)\, y_g`: the copies turned back and averaged.

        Args:
            y: a model's outputs ``[M, ...]`` on the copies, in the order of :meth:`to_frame`.
            rep: how the output transforms.
            level: "node", "graph" or the body of each *source* row ``[n]``; default by the size of y.

        Shapes:
            ``[n, ...]`` in the type of y, summed in the wider of its type and the frames'.

        Raises:
            ValueError: as :meth:`to_frame`, naming the sizes that would fit.
        """
        rep, (index, n) = Rep.of(rep), self._source(len(y), level)
        z = self._explicit(y, rep)
        if self.signs is not None and not rep.pseudo:  # equal weights; one turn for all K copies
            z = z.unflatten(0, (self.slots, n))
            z = (z * self._pattern(rep, z) if rep.rank else z).mean(0)
            z = rotate_back(z, gather(self.axes, index), rep.rank)
        else:
            row, frame = self.rows(index, n)
            z = self._turned(rotate_back, z, frame, rep)
            z = z * _align(self.weight.index_select(0, frame), z)
            z = z.unflatten(0, (self.slots, n)).sum(0) if self.slots else scatter_sum(z, row, n)
        if rep.affine and self.origin is not None:
            z = z + _align(gather(self.origin, index), z)
        return z.to(y.dtype).reshape(n, *y.shape[1:])

    def with_one_frame(self, bodies: Tensor) -> Frames:
        """Returns frames of which some bodies (``[B]`` bool) have their first only."""
        kept, weight = self._without_later(bodies)
        rotation, body, weight = (x.index_select(0, kept) for x in (self.rotation, self.body, weight))
        return Frames.ragged(rotation, body, weight, self.num_bodies, self.origin, self.batch, self.exact)

    def sample(self, k: int = 1, generator: torch.Generator | None = None) -> Frames:
        """Draws k frames for each body by weight; each then weighs 1 / k, so that averages stay unbiased.

        Systematic sampling: the points (u + i) / k, u uniform, on a body's cumulated weights. Frames of equal
        weight are so drawn without replacement, and k = K takes each exactly once.

        Raises:
            ValueError: if k is no positive integer.
        """
        chosen, size = self._drawn(k, generator).reshape(-1), self.num_bodies
        rotation = self.rotation.index_select(0, chosen).view(k, size, self.dim, self.dim)
        return Frames.uniform(rotation, self.origin, self.batch, exact=-1)

    # ---------------------------------------------------------------------------------- tensors

    def _explicit(self, x: Tensor, rep: Rep) -> Tensor:
        """``x`` with explicit geometric axes, in the wider of its type and the frames'."""
        if not (x.is_floating_point() or x.is_complex()):
            raise ValueError(f"expected floating point numbers for {rep}, found {x.dtype}")
        shape = rep.layout(tuple(x.shape), self.dim)
        return x.reshape(shape).to(torch.promote_types(x.dtype, self._like.dtype))

    def _turned(self, how: Callable, x: Tensor, frame: Tensor, rep: Rep) -> Tensor:
        y = how(x, self.rotation.index_select(0, frame), rep.rank) if rep.rank else x
        return y * _align(self.determinant.index_select(0, frame), y) if rep.pseudo else y

    def _pattern(self, rep: Rep, like: Tensor) -> Tensor:
        """The sign of each component of a tensor in each slot, ``[K, 1, ..., d, ..., d]``."""
        signs = self.signs.to(like.dtype)
        pattern = signs
        for _ in range(rep.rank - 1):
            pattern = pattern.unsqueeze(-1) * signs.view(-1, *(1,) * (pattern.dim() - 1), self.dim)
        return pattern.view(-1, *(1,) * (like.dim() - pattern.dim()), *pattern.shape[1:])


class _SignedFrames(Frames):
    """Signed frames make what few ask for, like the matrices of all frames, when somebody does."""

    @cached_property
    def exact(self) -> Tensor | None:
        """-1 where eigenvalues coincide; 1 where those that do are 0, for all signs have no mean vector."""
        if self.moments is None:
            return None
        values = (self.axes.detach() * (self.moments @ self.axes.detach())).sum(-2).abs().sort(dim=-1).values
        far = 0 if self.origin is None else self.origin.detach().square().sum(-1, keepdim=True)
        rounding = (32 * torch.finfo(values.dtype).eps) ** 2 * far
        zero = values <= torch.maximum(_NO_SPREAD * values[:, -1:], rounding + 0 * values[:, -1:])
        low, high = values[:, :-1], values[:, 1:]
        meet = high - low <= _SAME * high
        wrong, flat = (meet & ~zero[:, 1:]).any(-1), zero[:, 1:].any(-1)
        of_flat = torch.where(self.alone, 1, -1) if isinstance(self.alone, Tensor) else 2 * self.alone - 1
        rank = torch.where(flat, of_flat, torch.full_like(wrong, ALL_RANKS, dtype=torch.long))
        return torch.where(wrong, -1, rank)

    @cached_property
    def rotation(self) -> Tensor:
        return (self.axes * self.signs[:, None, None, :]).flatten(0, 1)

    @cached_property
    def body(self) -> Tensor:
        return torch.arange(self.num_bodies, device=self.axes.device).repeat(self.slots)

    @cached_property
    def weight(self) -> Tensor:
        return self.axes.new_full((self.slots * self.num_bodies,), 1 / self.slots)


def _align(x: Tensor, like: Tensor) -> Tensor:
    """``x [n]`` or ``[n, d]`` with axes for the channels of ``like [n, C..., (d...)]`` in between."""
    return x.reshape(len(x), *(1,) * (like.dim() - x.dim()), *x.shape[1:])
