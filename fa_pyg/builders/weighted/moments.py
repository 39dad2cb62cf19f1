"""Moments of clouds of vectors: second moments, and odd moments that decide the signs of axes."""

from __future__ import annotations

import torch
from torch import Tensor

from fa_pyg.builders.cloud import Cloud, Columns
from fa_pyg.lazy import cached_property
from fa_pyg.math.columns import moments, rotated, sums, take, total_weight
from fa_pyg.typed import total

__all__ = ["Moments"]


class Moments:
    """Moments of the points and vectors that a frame reads of a cloud, about the origin of the cloud.

    Args:
        cloud: the cloud.
        columns: what is read of it (``Cloud.columns``).
    """

    def __init__(self, cloud: Cloud, columns: list[Columns]) -> None:
        self.parts = [_Part(part, cloud.size) for part in columns]
        self.signed = [not quantity.rep.pseudo for quantity in cloud.read]

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
        parts = [part for part, signed in zip(self.parts, self.signed, strict=True) if signed]
        if not parts:
            return axes.new_zeros(axes.shape[:2])
        columns = axes.movedim(0, -1)
        third, absolute, first, square = total(part.along(columns) for part in parts)
        return (third / (absolute + (absolute == 0)) + first / (square + (square == 0)).sqrt()).mT


class _Part:
    """The vectors ``[d, n]`` of one quantity, with their bodies and weights."""

    def __init__(self, columns: Columns, size: int) -> None:
        self.x, self.index, self.c = columns
        self.size = size

    def second(self) -> Tensor:
        """The mean squares ``[B, d, d]``."""
        amount = self.amount
        amount = amount.view(-1, 1, 1) if isinstance(amount, Tensor) else amount
        return moments(self.x, self.index, self.size, self.c) / amount

    def squares(self) -> Tensor:
        """The sums ``[B]`` of the squares of the contributions of vectors to the trace of ``second``."""
        share = (self.x * self.x).sum(0)
        share = share if self.c is None else share * self.c
        return self._total(share * share) / (self.amount * self.amount)

    def along(self, axes: Tensor) -> Tensor:
        """The means ``[4, d, B]`` along axes ``[d, d, B]`` of s^3, its absolute value, s and s^2.

        The last two are with c^2. Nodes of weight 0 do not contribute; the mean with c^2 about a centroid
        with c is not 0.
        """
        s = rotated(self.x, take(axes, self.index)) if self.index is not None else axes[..., 0].mT @ self.x
        square, c = s * s, self.c
        if c is None:
            cube = square * s
            return self._total(torch.stack([cube, cube.abs(), s, square])) / self.amount
        cube, other = square * s * c, c * c
        found = self._total(torch.stack([cube, cube.abs(), s * other, square * other]))
        amounts = self._total(torch.stack([c, other]))
        amounts = amounts + (amounts == 0)
        return (found.view(2, 2, *found.shape[1:]) / amounts[:, None, None]).flatten(0, 1)

    @cached_property
    def amount(self) -> Tensor | int:
        """The total weight of each body, 1 in place of 0."""
        return total_weight(self.x, self.index, self.size, self.c)

    def _total(self, columns: Tensor) -> Tensor:
        """The sums ``[..., B]`` of columns ``[..., n]``."""
        return sums(columns, self.index, self.size)
