"""Soft sorting of a frame's axes: all orders, weighted by the spreads, so that an order is never chosen."""

from __future__ import annotations

import itertools
from functools import cache

import torch
from torch import Tensor

from fa_pyg.math.projections import Projection

__all__ = ["ALL", "GIVEN", "SORTED", "SWAPPED", "soft_orders"]

# Rules for the weights of the orders of a frame's axes: the given order alone; softly, by the spread along
# each axis; the same, averaged over the exchange of the first two, for lines; all equally, for points.
GIVEN, SORTED, SWAPPED, ALL = range(4)

# Spreads below this share of the mean spread count as equal: axes across a line are not ordered.
_FLAT = 0.01


def soft_orders(
    rotation: Tensor, moment: Tensor, scale: Tensor, rule: Tensor, projection: Projection
) -> tuple[Tensor, Tensor, Tensor]:
    r"""Return frames with their axes in all orders that have positive weight.

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
        rule: the rule of each frame, one of the constants of this module.
        projection: the projection of scores to weights.

    Shapes:
        rotation and moment ``[F, d, d]``, scale and rule ``[F]``; returns the rotations ``[G, d, d]`` (of
        either determinant), the frame that each comes from, ``[G]``, and their weights ``[G]``.
    """
    table, exchanged = _orders(rotation.size(-1), rotation.device)
    spread = (rotation * (moment @ rotation)).sum(1)
    mean = spread.sum(1, keepdim=True).abs()
    score = (spread / (mean + (mean == 0)) * spread.size(1) + _FLAT).clamp(min=_FLAT / 2).log()
    score = (score[:, table] * torch.arange(table.size(1), device=table.device)).sum(-1)
    weight = projection.dense(score / scale.unsqueeze(1))
    rule = rule.unsqueeze(1)
    weight = torch.where(rule == SWAPPED, (weight + weight[:, exchanged]) / 2, weight)
    weight = torch.where(rule == ALL, 1 / len(table), weight)
    first = torch.arange(len(table), device=table.device) == 0
    weight = torch.where(rule == GIVEN, first.to(weight.dtype), weight)
    frame, order = (~(weight.detach() <= 0)).nonzero().unbind(1)  # a NaN keeps its frames
    index = table.index_select(0, order).unsqueeze(1).expand(-1, rotation.size(-1), -1)
    return rotation.index_select(0, frame).gather(2, index), frame, weight[frame, order]


@cache
def _orders(dim: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """All orders ``[d!, d]``, the given one first, and the index of each with 0 and 1 exchanged."""
    orders = list(itertools.permutations(range(dim)))
    swap = {0: 1, 1: 0}
    swapped = [orders.index(tuple(swap.get(k, k) for k in order)) if dim > 1 else 0 for order in orders]
    with torch.inference_mode(False):
        return torch.tensor(orders, device=device), torch.tensor(swapped, device=device)
