"""Sparsemax and 1.5-entmax: sparse projections of scores onto the simplex, dense and ragged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from fa_pyg.math.columns import sums, take
from fa_pyg.math.linalg import scatter_sum

__all__ = ["Projection", "entmax15", "ragged", "sparsemax"]

_TIMES = 3  # that scores are sharpened, at most
# Scores that are sorted at once; of more, those far below the largest are dropped first, which synchronizes.
_AT_ONCE = 1 << 10


def sparsemax(score: Tensor) -> Tensor:
    r"""The point of the simplex nearest to the scores (Martins and Astudillo 2016), along the last axis.

    .. math:: p_i = \max(z_i - \theta, 0), \qquad \textstyle\sum_i p_i = 1

    Continuous; not differentiable where a score enters or leaves the support.
    """
    return _dense(score, 1)


def entmax15(score: Tensor) -> Tensor:
    r"""The 1.5-entmax of the scores (Peters, Niculae and Martins 2019), along the last axis.

    .. math:: p_i = \max(z_i / 2 - \theta, 0)^2, \qquad \textstyle\sum_i p_i = 1

    Once differentiable everywhere, with a Lipschitz continuous derivative; sparse like sparsemax.
    """
    return _dense(score, 2)


@dataclass(frozen=True)
class Projection:
    r"""Projection :math:`\max(z / p - \theta, 0)^p` of scores, divided by a temperature, onto the simplex.

    Args:
        name: ``"sparsemax"`` (p = 1) or ``"entmax15"`` (p = 2).
        tau: the temperature: of scores that differ by a few tau, only the larger has weight.
    """

    name: str
    tau: float

    POWERS: ClassVar = {"sparsemax": 1, "entmax15": 2}

    @property
    def reach(self) -> float:
        """A score that is this far below another has weight 0."""
        return self.POWERS[self.name] * self.tau

    def dense(self, score: Tensor) -> Tensor:
        """Return the weights of alternatives along the last axis."""
        return _dense(score / self.tau, self.POWERS[self.name])

    def of_two(self, difference: Tensor) -> Tensor:
        """Return the weight of the first of two alternatives, given how much larger its score is."""
        z = (difference / self.reach).clamp(-1, 1) / 2
        return z + 0.5 if self.POWERS[self.name] == 1 else (z + (0.5 - z * z).sqrt()).square()

    def ranked(self, score: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weights of alternatives along the last axis, largest first, and the index of each."""
        return _ranked(score / self.tau, self.POWERS[self.name])

    def near(self, score: Tensor, index: Tensor, size: int) -> Tensor:
        """Return the indices of scores within reach of the largest that shares their index, ascending."""
        score = score.detach()
        return (
            (score > (_largest(score, index, size) - self.reach).index_select(0, index)).nonzero().squeeze(1)
        )

    def largest(
        self, score: Tensor, index: Tensor, size: int, k: int, most: float | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the k largest weights of each simplex, in fixed shapes and without a sync.

        The weights are those of :meth:`ragged`, and 0 where a simplex has fewer.

        Shapes:
            score, index ``[n]``; returns the places of these scores ``[k, size]``, the weights ``[k, size]``,
            and the number of positive weights, which may be larger, ``[size]``. Places of weight 0 are of
            the same simplex; n for one without scores.
        """
        power, n = self.POWERS[self.name], score.size(0)
        z = score / self.reach
        z = z - _largest(z.detach(), index, size).index_select(0, index)
        z = torch.where(z > -1, z, -1)  # also where it is NaN
        order, own, start = _runs(z, index)
        z = z.index_select(0, order)
        weight, count = _weights(z, own, start, size, power)
        for _ in range(0 if most is None else _TIMES):
            square = scatter_sum(weight * weight, own, size)
            many = (1 / torch.where(square > 0, square, 1) / (most or 1)).clamp(min=1)
            z = z * (1 + (many - 1) ** 2 / many).index_select(0, own)
            weight, count = _weights(z, own, start, size, power)
        rank = torch.arange(n, device=own.device) - start
        target = torch.where(rank < k, rank * size + own, k * size)  # the last one is thrown away
        place = own.new_full((k * size + 1,), n).scatter(0, target, order)[:-1].view(k, size)
        best = weight.new_zeros(k * size + 1).scatter(0, target, weight)[:-1].view(k, size)
        return torch.where(place == n, place[:1], place), best, count

    def ragged(
        self, score: Tensor, index: Tensor, size: int, most: float | None = None
    ) -> tuple[Tensor, Tensor]:
        r"""Return indices and weights as :func:`ragged` does, with sharper scores where too many are left.

        Where the participation number :math:`n = 1 / \sum_i p_i^2` of a simplex is above m (``most``), its
        scores are multiplied by the differentiable factor :math:`1 + (n / m - 1)^2 m / n`, up to three times.
        Equal scores keep equal weights, however many there are.
        """
        power = self.POWERS[self.name]
        z = score / self.reach
        place, weight, count = _ragged(z, index, size, power)
        found = place
        if most is None:
            return found, weight
        for _ in range(_TIMES):
            if len(found) <= most or not (count > most).any():
                break
            z, index = z.index_select(0, found), index.index_select(0, found)
            square = scatter_sum(weight * weight, index, size)
            many = (1 / torch.where(square > 0, square, 1) / most).clamp(min=1)
            z = z * (1 + (many - 1) ** 2 / many).index_select(0, index)
            # The support of a sharper projection is a subset: nothing is lost.
            found, weight, count = _ragged(z, index, size, power)
            place = place.index_select(0, found)
        return place, weight


def ragged(score: Tensor, index: Tensor, size: int, power: int = 2) -> tuple[Tensor, Tensor]:
    """Project ragged scores: those that share an index, onto a simplex.

    Args:
        score: scores; -inf has weight 0.
        index: the simplex of each score.
        size: number of simplices; one without a finite score has no positive weights.
        power: 1 for sparsemax, 2 for 1.5-entmax.

    Shapes:
        score, index ``[n]``; returns the indices ``[m]`` of positive weights, ascending, and these weights.
    """
    return _ragged(score / power, index, size, power)[:2]


def _ragged(z: Tensor, index: Tensor, size: int, power: int) -> tuple[Tensor, Tensor, Tensor]:
    """:func:`ragged` of scores / power, with the number of positive weights beside each of them."""
    # The largest is subtracted to keep digits; neither the projection nor its gradient depends on it.
    z = z - _largest(z.detach(), index, size).index_select(0, index)
    near = z.detach() > -1  # the others, and NaN from -inf - -inf, have weight 0
    if z.size(0) <= _AT_ONCE:
        near = near & _inside(torch.where(near, z.detach(), -1), index, power)
    place = near.nonzero().squeeze(1)
    z, index = z.index_select(0, place), index.index_select(0, place)
    if near.size(0) > _AT_ONCE:
        inside = _inside(z.detach(), index, power).nonzero().squeeze(1)
        place, z, index = (x.index_select(0, inside) for x in (place, z, index))
    found = sums(torch.stack([torch.ones_like(z), z, z * z]), index, size)
    count, total, squares = take(found, index)
    return place, _power(z - _theta(count, total, squares, power), power), count


def _weights(z: Tensor, own: Tensor, start: Tensor, size: int, power: int) -> tuple[Tensor, Tensor]:
    """The weights of scores / power, sorted, 0 outside the support; and the size of the support of each."""
    inside = (z.detach() > -1) & _first_inside(z.detach(), start, power)
    kept = z.masked_fill(~inside, 0)
    count, total, squares = sums(torch.stack([inside.to(z.dtype), kept, kept * kept]), own, size)
    theta = _theta(count.clamp(min=1), total, squares, power)
    return _power(kept - theta.index_select(0, own), power).masked_fill(~inside, 0), count


def _ranked(score: Tensor, power: int) -> tuple[Tensor, Tensor]:
    """Weights along the last axis, largest first, and the index of each."""
    z, place = (score / power).sort(dim=-1, descending=True, stable=True)
    z = z - z[..., :1].detach()
    with torch.no_grad():
        count = torch.arange(1, z.size(-1) + 1, device=z.device, dtype=z.dtype)
        theta = _theta(count, z.cumsum(-1), (z * z).cumsum(-1), power)
        number = (theta < z).sum(-1, keepdim=True).clamp(min=1)
        outside = (count > number) & (z == z)  # a NaN is inside: it must not vanish
    kept = z.masked_fill(outside, 0)
    powers = kept.sum(-1, keepdim=True), (kept * kept).sum(-1, keepdim=True)
    return _power(z - _theta(number, *powers, power), power).masked_fill(outside, 0), place


def _dense(score: Tensor, power: int) -> Tensor:
    weight, place = _ranked(score, power)
    return torch.zeros_like(weight).scatter(-1, place, weight)


def _theta(count: Tensor, total: Tensor, squares: Tensor, power: int) -> Tensor:
    """The threshold for a support of ``count`` scores with this sum and sum of squares."""
    if power == 1:
        return (total - 1) / count
    mean = total / count
    # Not below 0: where the support is right it is at least count * (largest - theta)^2 / count > 0.
    return mean - ((1 - (squares - total * mean)).clamp(min=0) / count).sqrt()


def _power(z: Tensor, power: int) -> Tensor:
    z = z.clamp(min=0)
    return z if power == 1 else z * z


def _largest(score: Tensor, index: Tensor, size: int) -> Tensor:
    """The largest score of each simplex."""
    return score.new_full((size,), -torch.inf).scatter_reduce(0, index, score, "amax")


def _inside(z: Tensor, index: Tensor, power: int) -> Tensor:
    """Whether scores from -1 to 0, the largest of each simplex, have a positive weight."""
    with torch.no_grad():
        order, _, start = _runs(z, index)
        inside = _first_inside(z.index_select(0, order), start, power)
        return torch.empty_like(inside).scatter_(0, order, inside)


def _runs(z: Tensor, index: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The order of scores by simplex, and by size in each; there, the simplex and where its run starts."""
    order = torch.argsort(z.detach(), descending=True, stable=True)
    order = order.index_select(0, torch.argsort(index.index_select(0, order), stable=True))
    own = index.index_select(0, order)
    return order, own, torch.searchsorted(own, own)


def _first_inside(z: Tensor, start: Tensor, power: int) -> Tensor:
    """:func:`_inside` of scores in the order of :func:`_runs`: the first ones of each run."""
    with torch.no_grad():
        count = torch.arange(1, z.size(0) + 1, device=z.device) - start
        powers = torch.stack([z, z * z])
        upto = powers.cumsum(1)
        total, squares = (upto - (upto - powers).index_select(1, start)).unbind()
        return _theta(count.to(z.dtype), total, squares, power) < z
