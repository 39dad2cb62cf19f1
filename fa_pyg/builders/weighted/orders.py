"""The axes of a frame in all signs and in softly sorted orders: no sign and no order is ever chosen."""

from __future__ import annotations

import itertools
from functools import cache

import torch
from torch import Tensor

from fa_pyg.math.projections import Projection

__all__ = ["AS_THEY_ARE", "EVERY", "SORTED", "SWAPPED", "soft_orders"]

# How the orders of a frame's axes are weighted: the given order alone; softly, by the spread along each; the
# same, averaged over the exchange of the first two, as on a line; all equally, as at a point.
AS_THEY_ARE, SORTED, SWAPPED, EVERY = range(4)

# Spreads below this share of the mean spread count as equal: across a line there is no order.
_FLAT = 0.01


def soft_orders(
    rotation: Tensor, moment: Tensor, scale: Tensor, way: Tensor, sharp: Projection
) -> tuple[Tensor, Tensor, Tensor]:
    r"""Return frames with their axes in all orders of positive weight.

    With the spread :math:`\mu_k = r_k^\top C r_k` along each axis and its mean :math:`\bar\mu`, the order
    :math:`\pi` has the weight

    .. math:: w(\pi) = \mathrm{entmax}_{1.5}\Big(\frac{1}{s}
              \textstyle\sum_k k \log(\mu_{\pi(k)} / \bar\mu + 0.01)\Big).

    Where spreads are apart this is one order, the ascending one. Where two of them meet, both orders weigh
    the same, so that the average over the signs and these sees angles in their plane modulo a quarter turn.

    Args:
        rotation: the axes in the columns.
        moment: C of each frame's body.
        scale: s of each frame's body, relative to the temperature of ``sharp``.
        way: of each frame, one of the constants of this module.
        sharp: projects the scores.

    Shapes:
        rotation and moment ``[F, d, d]``, scale and way ``[F]``; returns the rotations ``[G, d, d]`` (of any
        determinant), the frame that each is made of, ``[G]``, and their weights ``[G]``.
    """
    table, exchanged = _orders(rotation.size(-1), rotation.device)
    spread = (rotation * (moment @ rotation)).sum(1)
    mean = spread.sum(1, keepdim=True).abs()
    score = (spread / (mean + (mean == 0)) * spread.size(1) + _FLAT).clamp(min=_FLAT / 2).log()
    score = (score[:, table] * torch.arange(table.size(1), device=table.device)).sum(-1)
    weight = sharp.dense(score / scale.unsqueeze(1))
    way = way.unsqueeze(1)
    weight = torch.where(way == SWAPPED, (weight + weight[:, exchanged]) / 2, weight)
    weight = torch.where(way == EVERY, 1 / len(table), weight)
    weight = torch.where(way == AS_THEY_ARE, weight.new_tensor([1.0] + [0.0] * (len(table) - 1)), weight)
    frame, order = (~(weight.detach() <= 0)).nonzero().unbind(1)  # a NaN keeps its frames
    index = table.index_select(0, order).unsqueeze(1).expand(-1, rotation.size(-1), -1)
    return rotation.index_select(0, frame).gather(2, index), frame, weight[frame, order]


@cache
def _orders(dim: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """All orders ``[d!, d]``, the given one first, and the place of each after 0 and 1 are exchanged."""
    found = list(itertools.permutations(range(dim)))
    swap = {0: 1, 1: 0}
    places = [found.index(tuple(swap.get(k, k) for k in one)) if dim > 1 else 0 for one in found]
    with torch.inference_mode(False):
        return torch.tensor(found, device=device), torch.tensor(places, device=device)
