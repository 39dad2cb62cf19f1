"""Moments of clouds of vectors: second moments, and odd moments that decide the signs of axes."""

from __future__ import annotations

import torch
from torch import Tensor

from fa_pyg.builders.cloud import Cloud, Quantity
from fa_pyg.math.linalg import gather, scatter_sum
from fa_pyg.typed import total

__all__ = ["Moments"]


class Moments:
    """Moments of the points and vectors that a frame reads of a cloud, about the origin of the cloud."""

    def __init__(self, cloud: Cloud, origin: Tensor | None) -> None:
        self.parts = [_Columns(cloud, origin, quantity) for quantity in cloud.read]

    def second(self) -> Tensor:
        """Return the sum of the (weighted) covariances, ``[B, d, d]``."""
        return total(part.second() for part in self.parts)

    def participation(self) -> Tensor:
        r"""Return the participation number of the rows in the second moments, ``[B]``, at least 1.

        .. math:: N = \Big(\sum_i m_i\Big)^2 \Big/ \sum_i m_i^2, \qquad m_i = c_i |x_i|^2
        """
        amount, squares = (total(both) for both in zip(*(part.shares() for part in self.parts), strict=True))
        return torch.where(squares > 0, amount * amount / torch.where(squares > 0, squares, 1), 1)

    def odd(self, axes: Tensor) -> Tensor:
        """Return odd moments ``[B, d]``: invariants that change sign with their axis.

        The sum of the third moment along the axis, relative to the absolute third moment, and of the mean
        along the axis with squared weights (not 0, since the centroid has plain weights), relative to the
        root mean square. Pseudovectors do not contribute.
        """
        parts = [part for part in self.parts if part.signed]
        if not parts:
            return axes.new_zeros(axes.shape[:2])
        third, absolute, first, square = total(part.along(axes) for part in parts)
        return third / (absolute + (absolute == 0)) + first / (square + (square == 0)).sqrt()


class _Columns:
    """The coordinates of a quantity as separate columns: they fit into a cache, a large table does not."""

    def __init__(self, cloud: Cloud, origin: Tensor | None, quantity: Quantity) -> None:
        rows, self.index, c = cloud.centered(quantity, origin)
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
        """The sums ``[B]`` of the contributions of rows to the trace of ``second``, and of their squares."""
        share = total(column * column for column in self.x) * self.c / gather(self.amount, self.index)
        return self._total(share), self._total(share * share)

    def along(self, axes: Tensor) -> Tensor:
        """The means ``[4, B, d]`` of s^3, its absolute value, s and s^2 along axes, the last two with c^2."""
        # Nodes of weight 0 do not contribute; the mean with c^2 about a centroid with c is not 0.
        u = self.c * self.c
        sums: list[list[Tensor]] = []
        for axis in axes.permute(2, 1, 0).contiguous():
            s = self.x[0] * gather(axis[0], self.index)
            for column, share in zip(self.x[1:], axis[1:], strict=True):
                s = torch.addcmul(s, column, gather(share, self.index))
            square = s * s
            cube = square * s * self.c
            sums.append([self._total(term) for term in (cube, cube.abs(), s * u, square * u)])
        amount = torch.stack([self.amount, self._amount(u)]).repeat_interleave(2, 0).unsqueeze(-1)
        return torch.stack([torch.stack(moment, dim=1) for moment in zip(*sums, strict=True)]) / amount

    def _amount(self, weight: Tensor) -> Tensor:
        amount = self._total(weight)
        return amount + (amount == 0)

    def _total(self, column: Tensor) -> Tensor:
        if self.index is None:
            return column.sum(0, keepdim=True)
        return scatter_sum(column, self.index, self.size)
