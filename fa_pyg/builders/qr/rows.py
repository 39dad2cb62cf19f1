"""The vectors that a minimal frame is built from, with the invariants that determine their order."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from fa_pyg.builders.cloud import Cloud, Quantity
from fa_pyg.groups import Group
from fa_pyg.math.linalg import scatter_sum
from fa_pyg.typed import norm

__all__ = ["Rows", "rows_of"]

# Coefficients of the node weight and of the second and third moments in a score: any numbers, in odd ratios.
_WEIGHT, _SECOND, _THIRD = 0.31, 0.23, 0.17


@dataclass(frozen=True)
class Rows:
    """Vectors sorted by body, of length <= 1: each input is divided by its longest vector in each body.

    Shapes:
        x ``[R, d]``, gain, tag and floor ``[R]``; start, count, tie and blank ``[B]``.
    """

    x: Tensor
    gain: Tensor  # the invariant factor of the score
    tag: Tensor  # the index of the input: earlier inputs come first
    floor: Tensor  # length up to which a row counts as 0
    start: Tensor
    count: Tensor
    tie: Tensor  # difference up to which scores tie
    blank: Tensor  # NaN for bodies with a NaN, an infinity or an overflow (their rows are left out), else 0


def rows_of(cloud: Cloud, origin: Tensor | None, group: Group) -> Rows:
    """Return the vectors that are read, followed by the other declared ones."""
    others = [q for q in cloud.declared if not any(q is read for read in cloud.read)]
    vectors = [q for q in (*cloud.read, *others) if q.rep.rank == 1]
    first = itertools.accumulate((math.prod(q.value.shape[1:-1]) for q in vectors), initial=0)
    parts = [_scaled(cloud, q, origin, group, tag) for q, tag in zip(vectors, first, strict=False)]
    x, body, weight, noise, tag = (torch.cat(part) for part in zip(*parts, strict=True))
    with torch.no_grad():
        # The noise is NaN where the longest vector, by which all are divided, overflows.
        blank = scatter_sum((x * 0).sum(-1) + weight * 0 + noise * 0, body, cloud.size)
        kept = (blank[body] == 0).nonzero().squeeze(-1)
        order = kept[torch.argsort(body[kept], stable=True)]
    x, body, weight, noise, tag = x[order], body[order], weight[order], noise[order], tag[order]
    count = torch.bincount(body, minlength=cloud.size)
    tie = _amax(16 * noise + 2**16 * torch.finfo(x.dtype).eps, body, cloud.size).clamp(max=1e-3)
    gain = _gain(x.detach(), body, weight, cloud.size)
    return Rows(x, gain, tag, noise.sqrt(), count.cumsum(0) - count, count, tie, blank)


def _scaled(
    cloud: Cloud, quantity: Quantity, origin: Tensor | None, group: Group, first: int
) -> tuple[Tensor, ...]:
    """Rows of an input: vector, body, weight, rounding noise (relative to the longest), tag (by channel)."""
    x, index, weight = cloud.centered(quantity, origin)
    body = torch.zeros(len(x), dtype=torch.long, device=x.device) if index is None else index
    channels = math.prod(quantity.value.shape[1:-1])
    tag = first + torch.arange(channels, device=x.device).repeat(len(quantity.value))
    with torch.no_grad():
        weight = torch.ones_like(x[:, 0]) if weight is None else weight
        weight = weight / _unless_0(_amax(weight, body, cloud.size))[body]
        longest = _unless_0(_amax(norm(x, dim=-1), body, cloud.size))[body]
        given = _amax(norm(cloud.rows(quantity)[0], dim=-1), body, cloud.size)[body]
        noise = torch.finfo(quantity.value.dtype).eps * (given / longest).clamp(min=1)
    x = x / longest.unsqueeze(-1)
    if quantity.rep.pseudo and group.reflects:  # its sign is arbitrary: the set of both is equivariant
        x = torch.cat([x, -x])
        body, weight, noise, tag = (torch.cat([y, y]) for y in (body, weight, noise, tag))
    return x, body, weight, noise, tag


def _gain(x: Tensor, body: Tensor, weight: Tensor, size: int) -> Tensor:
    """1 + a w + b C(x, x) + c T(x, x, x): the weighted moments C (without its trace) and T of each body.

    Both are relative to their largest value, because moments of many points are small. The offset of
    1 / sqrt(n), the size of random moments, keeps rounding small.
    """
    dim, count = x.size(-1), scatter_sum(torch.ones_like(weight), body, size)
    share = (weight / _unless_0(scatter_sum(weight, body, size))[body]).unsqueeze(-1)
    pairs = x.unsqueeze(-1) * x.unsqueeze(-2)
    triples = (pairs.unsqueeze(-1) * x[:, None, None]).flatten(1)
    trace = (x * x).sum(-1)[:, None, None] / dim * torch.eye(dim, dtype=x.dtype, device=x.device)
    gain = 1 + _WEIGHT * weight
    for share_of_gain, terms in ((_SECOND, (pairs - trace).flatten(1)), (_THIRD, triples)):
        moment = (scatter_sum(terms * share, body, size)[body] * terms).sum(-1)
        scale = _amax(moment.abs(), body, size) + _unless_0(count).rsqrt()
        gain = gain + share_of_gain * moment / scale[body]
    return gain


def _amax(x: Tensor, body: Tensor, size: int) -> Tensor:
    return x.new_zeros(size).scatter_reduce(0, body, x, "amax")


def _unless_0(x: Tensor) -> Tensor:
    return torch.where(x == 0, torch.ones_like(x), x)
