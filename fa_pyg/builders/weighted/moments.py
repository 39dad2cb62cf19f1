"""Moments of clouds of vectors: second moments, and odd moments that decide the signs of axes."""

from __future__ import annotations

import torch
from torch import Tensor

from fa_pyg.builders.cloud import Cloud, Quantity
from fa_pyg.lazy import cached_property
from fa_pyg.typed import total

__all__ = ["Moments"]


class Moments:
    """Moments of the points and vectors that a frame reads of a cloud, about the origin of the cloud."""

    def __init__(self, cloud: Cloud, origin: Tensor | None) -> None:
        self.parts = [_Part(cloud, origin, quantity) for quantity in cloud.read]

    def second(self) -> Tensor:
        """Return the sum of the (weighted) covariances, ``[B, d, d]``."""
        return total(part.second() for part in self.parts)

    def participation(self, second: Tensor) -> Tensor:
        r"""Return the participation number of the rows in the second moments, ``[B]``, at least 1.

        .. math:: N = \Big(\sum_i m_i\Big)^2 \Big/ \sum_i m_i^2, \qquad m_i = c_i |x_i|^2
        """
        squares = total(part.squares() for part in self.parts)
        some, amount = squares > 0, second.diagonal(dim1=1, dim2=2).sum(1)
        return torch.where(some, amount * amount / torch.where(some, squares, 1), 1)

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


class _Part:
    """The rows of one quantity, with their bodies and weights: as columns, which are summed together."""

    def __init__(self, cloud: Cloud, origin: Tensor | None, quantity: Quantity) -> None:
        x, self.index, c = cloud.centered(quantity, origin)
        # Contiguous coordinates: products of thousands of rows of three numbers are slow, also backward.
        self.x, self.size, self.signed = x.T.contiguous(), cloud.size, not quantity.rep.pseudo
        self.c = torch.ones_like(self.x[0]) if c is None else c

    def second(self) -> Tensor:
        """The mean squares ``[B, d, d]``."""
        d = len(self.x)
        places = [_pairs(d).index((min(i, j), max(i, j))) for i in range(d) for j in range(d)]
        return (self._sums[places] / self.amounts[0]).T.reshape(self.size, d, d)

    def squares(self) -> Tensor:
        """The sums ``[B]`` of the squares of the contributions of rows to the trace of ``second``."""
        return self._sums[-1] / self.amounts[0].square()

    def along(self, axes: Tensor) -> Tensor:
        """The means ``[4, B, d]`` of s^3, its absolute value, s and s^2 along axes, the last two with c^2."""
        # Nodes of weight 0 do not contribute; the mean with c^2 about a centroid with c is not 0.
        d = len(self.x)
        if self.index is None:
            s = axes[0].mT @ self.x
        else:
            own = axes.permute(1, 2, 0).reshape(d * d, -1).gather(1, self.index.expand(d * d, -1))
            s = (self.x.unsqueeze(1) * own.view(d, d, -1)).sum(0)
        square, u = s * s, self.c * self.c
        cube = square * s * self.c
        sums = self._total(torch.cat([cube, cube.abs(), s * u, square * u])).view(2, 2, d, self.size)
        return (sums / self.amounts[:, None, None]).flatten(0, 1).mT

    @cached_property
    def amounts(self) -> Tensor:
        """The sums ``[2, B]`` of the weights and of their squares; 1 in place of 0."""
        amounts = self._sums[-3:-1]
        return amounts + (amounts == 0)

    @cached_property
    def _sums(self) -> Tensor:
        """The sums of products of coordinates, of c, of c^2, and of (c x^2)^2: ``[k, B]``."""
        x, weighted = self.x.unbind(), (self.x * self.c).unbind()
        columns = {(i, j): x[i] * weighted[j] for i, j in _pairs(len(x))}
        share = total(columns[i, i] for i in range(len(x)))
        return self._total(torch.stack([*columns.values(), self.c, self.c * self.c, share * share]))

    def _total(self, columns: Tensor) -> Tensor:
        """The sums ``[k, B]`` of columns ``[k, n]``."""
        if self.index is None:
            return columns.sum(1, keepdim=True)
        sums = columns.new_zeros(columns.size(0), self.size)
        return sums.scatter_add_(1, self.index.expand_as(columns), columns)


def _pairs(dim: int) -> list[tuple[int, int]]:
    return [(i, j) for i in range(dim) for j in range(i, dim)]
