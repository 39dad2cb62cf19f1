"""Moments of a cloud that decide which frames it has."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from fa_pyg.builders.cloud import Cloud, Quantity
from fa_pyg.math.linalg import gather, scatter_sum

__all__ = ["Blend", "Moments", "step"]


def step(t: Tensor, start: float = 0.5) -> Tensor:
    """A smooth step: 0 below ``start``, 1 above 1, with a Lipschitz continuous derivative."""
    t = ((t - start) / (1 - start)).clamp(0, 1)
    return t * t * (3 - 2 * t)


class Moments:
    """Moments of all that is read of a cloud about its origin."""

    def __init__(self, cloud: Cloud, origin: Tensor | None) -> None:
        self.parts = [_Columns(cloud, origin, quantity) for quantity in cloud.read]

    def second(self) -> Tensor:
        """Return the sum of the (weighted) covariances, ``[B, d, d]``."""
        return sum(part.second() for part in self.parts)

    def participation(self) -> Tensor:
        r"""Return how many rows the second moments are made of, ``[B]``: at least 1.

        .. math:: N = \Big(\sum_i m_i\Big)^2 \Big/ \sum_i m_i^2, \qquad m_i = c_i |x_i|^2
        """
        total, squares = (sum(both) for both in zip(*(part.shares() for part in self.parts), strict=True))
        return torch.where(squares > 0, total * total / torch.where(squares > 0, squares, 1), 1)

    def odd(self, axes: Tensor) -> Tensor:
        """Return numbers ``[B, d]`` that turn their sign with that of their axis, and with nothing else.

        The third moment along the axis, relative to the absolute one, and the plain mean along it, which the
        weights of the nodes leave over, relative to the root mean square. Pseudovectors have none.
        """
        parts = [part for part in self.parts if part.signed]
        if not parts:
            return axes.new_zeros(axes.shape[:2])
        third, absolute, first, square = sum(part.along(axes) for part in parts)
        return third / (absolute + (absolute == 0)) + first / (square + (square == 0)).sqrt()


class _Columns:
    """The coordinates of one quantity, one by one: what stays in a cache is faster than one large table."""

    def __init__(self, cloud: Cloud, origin: Tensor | None, quantity: Quantity) -> None:
        rows, self.index, c = cloud.centred(quantity, origin)
        self.x = [column.contiguous() for column in rows.unbind(1)]
        self.c = torch.ones_like(self.x[0]) if c is None else c
        self.size, self.signed = cloud.size, not quantity.rep.pseudo
        self.amount = self._amount(self.c)

    def second(self) -> Tensor:
        """The mean squares ``[B, d, d]``."""
        d, weighted = range(len(self.x)), [column * self.c for column in self.x]
        upper = {(i, j): self._total(self.x[i] * weighted[j]) for i in d for j in d if i <= j}
        full = torch.stack([upper[min(i, j), max(i, j)] for i in d for j in d]) / self.amount
        return full.view(len(d), len(d), -1).movedim(-1, 0)

    def shares(self) -> tuple[Tensor, Tensor]:
        """The sums ``[B]`` of what each row adds to the trace of the mean squares, and of its squares."""
        share = sum(column * column for column in self.x) * self.c / gather(self.amount, self.index)
        return self._total(share), self._total(share * share)

    def along(self, axes: Tensor) -> Tensor:
        """The means ``[4, B, d]`` of s^3, |s|^3, s and s^2 along axes, the last two by squared weights."""
        # A node of weight 0 leaves no trace, and a centroid weighted by c does not make the mean by c^2 zero.
        u, found = self.c * self.c, []
        for axis in axes.permute(2, 1, 0).contiguous():
            s = self.x[0] * gather(axis[0], self.index)
            for column, share in zip(self.x[1:], axis[1:], strict=True):
                s = torch.addcmul(s, column, gather(share, self.index))
            square = s * s
            cube = square * s * self.c
            found.append([self._total(one) for one in (cube, cube.abs(), s * u, square * u)])
        amount = torch.stack([self.amount, self._amount(u)]).repeat_interleave(2, 0).unsqueeze(-1)
        return torch.stack([torch.stack(one, dim=1) for one in zip(*found, strict=True)]) / amount

    def _amount(self, weight: Tensor) -> Tensor:
        amount = self._total(weight)
        return amount + (amount == 0)

    def _total(self, column: Tensor) -> Tensor:
        if self.index is None:
            return column.sum(0, keepdim=True)
        return scatter_sum(column, self.index, self.size)


@dataclass(frozen=True)
class Blend:
    r"""Shares of the families of frames in each body, all ``[B]``; they sum to 1.

    With smooth steps A of the gap of the largest eigenvalue, B of that of the smallest, and L of the others
    over the largest. Each is a symmetric function of two eigenvalues: where these two meet, each alone has a
    kink, and a smooth symmetric function of both has none. So the shares are once differentiable everywhere.

    Args:
        generic: A B L: the principal axes.
        top: A (1 - B) L: the largest axis is good, the others are not.
        line: A (1 - L): the same, and the cloud is a line.
        bottom: (1 - A) B: the smallest axis is good.
        free: (1 - A) (1 - B): no axis is good.
        point: there is no cloud to speak of.
    """

    generic: Tensor
    top: Tensor
    line: Tensor
    bottom: Tensor
    free: Tensor
    point: Tensor

    def of_bodies(self, bodies: Tensor) -> Blend:
        return Blend(*(getattr(self, one.name).index_select(0, bodies) for one in fields(self)))

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
        """Return the shares for eigenvalues ``[B, d]`` (ascending) in d = 1, 2 or 3 dimensions.

        Args:
            values: the eigenvalues.
            origin: of the points, whose distance tells their rounding.
            gap: relative gap from which on eigenvalues are apart.
            line: relative spread across a line.
            start: share of ``gap`` from which on the blend begins.
            near: in three dimensions, the anisotropy from which on any axis is good, blended from 0.05 of it.
        """
        top = values[:, -1]
        # All that is left of a point far from the origin when its centroid is taken off.
        far = 0 if origin is None else (origin * origin).sum(1)
        point = top <= (32 * torch.finfo(top.dtype).eps) ** 2 * (far + top)
        none, unit = torch.zeros_like(top), top + (top == 0)
        if values.size(1) == 1:
            return cls(none + 1, none, none, none, none, point)
        if values.size(1) == 2:
            upper = torch.where(point, none, step((top - values[:, 0]) / unit / gap, start))
            return cls(upper, none, none, none, 1 - upper, point)
        low, second = values[:, 0], values[:, 1]
        upper = torch.where(point, none, step(2 * _both(top - second, top - low) / unit / gap, start))
        long = step((second + low) / unit / line**2)
        lower = _both(second - low, top - low) / (_both(second, top) + 1e-12 * unit)
        lower = torch.where(point, none, step(lower / gap, start))
        good = none + 1 if near is None else step(_anisotropy(values) / near, 0.05)
        return cls(
            generic=good * upper * lower * long,
            top=good * upper * (1 - lower) * long,
            line=good * upper * (1 - long),
            bottom=good * (1 - upper) * lower,
            free=1 - good + good * (1 - upper) * (1 - lower),
            point=point,
        )


def _anisotropy(values: Tensor) -> Tensor:
    """The norm of the traceless part over the trace: 0 for a sphere, 0.4 for a disk, 0.8 for a line."""
    total = values.sum(1, keepdim=True)
    square = (values / (total + (total == 0)) - 1 / values.size(1)).square().sum(1)
    return torch.where(square > 0, square, 1).sqrt() * (square > 0)


def _both(a: Tensor, b: Tensor) -> Tensor:
    """Half the harmonic mean of numbers >= 0: between half the smaller and the smaller, smooth, symmetric."""
    total = a + b
    return a * b / (total + (total == 0))
