"""Blends between families of weighted frames: smooth shares by gaps of the eigenvalues."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fa_pyg.builders.weighted.tables import column
from fa_pyg.lazy import cached_property

__all__ = ["Blend", "Gaps", "step"]


def step(t: Tensor, start: float = 0.5) -> Tensor:
    """A smooth step: 0 below ``start``, 1 above 1, with a Lipschitz continuous derivative."""
    return _smooth((t - start) / (1 - start))


def _smooth(t: Tensor) -> Tensor:
    t = t.clamp(0, 1)
    return t * t * (3 - 2 * t)


@dataclass(frozen=True)
class Gaps:
    """Relative gaps of the eigenvalues of each body: arguments of the smooth steps of a blend.

    Args:
        rows: relative gaps, of which 0 is where a blend begins and 1 where it ends: of the largest eigenvalue
            to both others, of the smallest, of the other eigenvalues to 0, and (optional) the anisotropy; in
            two dimensions of the first alone, in one dimension none.
        point: whether the body is a point, up to rounding.

    Shapes:
        rows ``[r, B]``, point ``[B]``.
    """

    rows: Tensor
    point: Tensor

    @classmethod
    def of(
        cls,
        values: Tensor,
        origin: Tensor | None,
        gap: float | Tensor,
        line: float,
        start: float = 0.5,
        near: float | Tensor | None = None,
    ) -> Gaps:
        """Return the gaps of eigenvalues ``[B, d]`` (ascending) in d = 1, 2 or 3 dimensions.

        Args:
            values: the eigenvalues.
            origin: the origin of the points, from whose distance their rounding follows.
            gap: relative gap beyond which eigenvalues count as distinct.
            line: relative spread across a line.
            start: fraction of ``gap`` at which the blend begins.
            near: anisotropy beyond which some axis is good, in three dimensions; blended from 0.05 of it.
        """
        *lower, top = values.unbind(1)
        # The rounding that is left when the centroid is subtracted from a point far from the origin.
        far = 0 if origin is None else (origin * origin).sum(1)
        point = top <= (32 * torch.finfo(top.dtype).eps) ** 2 * (far + top)
        if not lower:
            return cls(values.new_empty(0, top.size(0)), point)
        unit = top + (top == 0)
        if len(lower) == 1:
            return cls(_begun((top - lower[0]) / (unit * gap), start).unsqueeze(0), point)
        low, second = lower
        span = top - low
        upper, lowest, both = _both(
            torch.stack([top - second, second - low, second]), torch.stack([span, span, top])
        )
        sizes = [2 * upper, lowest, second + low]
        units = [unit * gap, (both + 1e-12 * unit) * gap, unit * line**2]
        starts = [start, start, 0.5]
        if near is not None:
            sizes.append(_anisotropy(values))
            units.append(near if isinstance(near, Tensor) else torch.full_like(top, near))
            starts.append(0.05)
        begin = column(tuple(starts), top)
        return cls((torch.stack(sizes) / torch.stack(units) - begin) / (1 - begin), point)

    @property
    def clear(self) -> Tensor:
        """Whether all axes of a body are good, without any blend; False where a gap is NaN."""
        return (self._smallest >= 1) & ~self.point

    @property
    def blended(self) -> Tensor:
        """Whether the axes of a body do not suffice; False where a gap is NaN."""
        return (self._smallest < 1) | self.point

    @cached_property
    def _smallest(self) -> Tensor:
        return self.rows.amin(0) if len(self.rows) else torch.ones_like(self.point, dtype=self.rows.dtype)

    @property
    def free(self) -> Tensor:
        """Whether the share of frames without a good axis is positive (not in one dimension)."""
        low = self.rows < 1
        return self.point | low[:2].all(0) | low[3:].any(0)

    @property
    def unbounded(self) -> Tensor:
        """Whether a body is, at least nearly, a line or a point."""
        return self.point | (self.rows[2:3] < 1).any(0)

    def blend(self, bodies: Tensor | None = None) -> Blend:
        """Return the shares of the families of frames, of all bodies or of some."""
        if bodies is None:
            return Blend.of_gaps(self)
        return Blend.of_gaps(Gaps(self.rows.index_select(1, bodies), self.point.index_select(0, bodies)))


@dataclass(frozen=True)
class Blend:
    r"""Shares of the families of frames in each body, all ``[B]``; they sum to 1.

    The shares are products of smooth steps: A of the gap of the largest eigenvalue, B of the gap of the
    smallest, and L of the other eigenvalues over the largest. Each step is a symmetric function of two
    eigenvalues: where these meet, each of them has a kink, but a smooth symmetric function of both does not.
    So the shares are once differentiable everywhere.

    Args:
        generic: A B L: the principal axes.
        top: A (1 - B) L: the largest axis is good, the others are not.
        line: A (1 - L): the same, and the cloud is a line.
        bottom: (1 - A) B: the smallest axis is good.
        free: (1 - A) (1 - B): none of the axes is good.
        point: whether the cloud is a point, up to rounding.
    """

    generic: Tensor
    top: Tensor
    line: Tensor
    bottom: Tensor
    free: Tensor
    point: Tensor

    @classmethod
    def of(
        cls,
        values: Tensor,
        origin: Tensor | None,
        gap: float | Tensor,
        line: float,
        start: float = 0.5,
        near: float | Tensor | None = None,
    ) -> Blend:
        """Return the shares for the gaps of eigenvalues (:meth:`Gaps.of`)."""
        return Gaps.of(values, origin, gap, line, start, near).blend()

    @classmethod
    def of_gaps(cls, gaps: Gaps) -> Blend:
        """Return the shares for the gaps of some bodies."""
        rows, point = _smooth(gaps.rows), gaps.point
        none = torch.zeros_like(point, dtype=rows.dtype)
        if not len(rows):
            return cls(none + 1, none, none, none, none, point)
        if len(rows) == 1:
            upper = torch.where(point, none, rows[0])
            return cls(upper, none, none, none, 1 - upper, point)
        good = none + 1 if len(rows) == 3 else rows[3]
        good = torch.where(point, none, good)
        lower, long = rows[1], rows[2]
        not_lower, upper, not_upper = 1 - lower, good * rows[0], good * (1 - rows[0])
        return cls(
            generic=upper * lower * long,
            top=upper * not_lower * long,
            line=upper * (1 - long),
            bottom=not_upper * lower,
            free=1 - good + not_upper * not_lower,
            point=point,
        )


def _begun(t: Tensor, start: float) -> Tensor:
    """A gap relative to the range in which it is blended."""
    return (t - start) / (1 - start)


def _anisotropy(values: Tensor) -> Tensor:
    """The norm of the traceless part over the trace: 0 for a sphere, 0.4 for a disk, 0.8 for a line."""
    total = values.sum(1, keepdim=True)
    square = (values / (total + (total == 0)) - 1 / values.size(1)).square().sum(1)
    return torch.where(square > 0, square, 1).sqrt() * (square > 0)


def _both(a: Tensor, b: Tensor) -> Tensor:
    """Half the harmonic mean of numbers >= 0: between half the smaller and the smaller, smooth, symmetric."""
    total = a + b
    return a * b / (total + (total == 0))
