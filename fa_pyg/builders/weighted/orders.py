"""Soft sorting of a frame's axes: all orders, weighted by the spreads, so that an order is never chosen."""

from __future__ import annotations

from torch import Tensor

from fa_pyg.builders.weighted.tables import orders
from fa_pyg.math.projections import Projection

__all__ = ["are_ordered", "order_weights", "reordered"]

# Spreads below this share of the mean spread count as equal: axes across a line are not ordered.
_FLAT = 0.01


def are_ordered(values: Tensor, scale: Tensor, projection: Projection) -> Tensor:
    """Whether principal axes with these spreads (ascending) have a single order of positive weight.

    Shapes:
        values ``[B, d]``, scale ``[B]``; returns ``[B]`` bool, False where a spread is NaN.
    """
    score = _logarithm(values)
    apart = score[:, 1:] - score[:, :-1] >= projection.reach * scale.unsqueeze(1)
    return apart.all(1)


def order_weights(
    rotation: Tensor, moment: Tensor, scale: Tensor, rule: Tensor, projection: Projection
) -> Tensor:
    r"""Return the weights of all orders of the axes of frames, the given order first.

    With the spread :math:`\mu_k = r_k^\top C r_k` along each axis and its mean :math:`\bar\mu`, the order
    :math:`\pi` has the weight

    .. math:: w(\pi) = \mathrm{entmax}_{1.5}\Big(\frac{1}{s}
              \textstyle\sum_k k \log(\mu_{\pi(k)} / \bar\mu + 0.01)\Big).

    Where spreads are well separated this is a single order, the ascending one. Where two of them meet, both
    orders have equal weights: the average over signs and orders depends on the angle of the axes in their
    plane only modulo a quarter turn.

    Args:
        rotation: the axes in the columns.
        moment: C of each frame's body.
        scale: s of each frame's body, relative to the temperature of ``projection``.
        rule: the rule of each frame, one of the constants of ``tables.py``.
        projection: the projection of scores to weights.

    Shapes:
        rotation and moment ``[F, d, d]``, scale and rule ``[F]``; returns ``[F, d!]``.
    """
    tables = orders(rotation.size(-1), rotation)
    # Elementwise: thousands of small matrix products are slow.
    spread = (rotation * (moment.unsqueeze(3) * rotation.unsqueeze(1)).sum(2)).sum(1)
    weight = projection.dense(_logarithm(spread) @ tables.places / scale.unsqueeze(1))
    return (weight.unsqueeze(2) * tables.rules.index_select(0, rule)).sum(1)


def reordered(rotation: Tensor, order: Tensor) -> Tensor:
    """Return frames ``[F, d, d]`` with their axes in these orders ``[F]``; of either determinant."""
    table = orders(rotation.size(-1), rotation).table
    return rotation.gather(2, table.index_select(0, order).unsqueeze(1).expand_as(rotation))


def _logarithm(spread: Tensor) -> Tensor:
    """The logarithms of relative spreads ``[n, d]``."""
    mean = spread.sum(1, keepdim=True).abs()
    relative = spread / (mean + (mean == 0)) * spread.size(1)
    return (relative + _FLAT).clamp(min=_FLAT / 2).log()
