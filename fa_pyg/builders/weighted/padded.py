"""Padded frames: as many of each body, some of them of weight 0."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

__all__ = ["Padded", "largest_weights", "taken"]


@dataclass(frozen=True)
class Padded:
    """Frames of which each body has as many, some of them of weight 0.

    Args:
        rotation: the axes in the columns.
        weight: the weights.
        rule: the rule of the orders of each frame's axes (``orders.py``).
        overflow: whether a body has more frames of positive weight than these.

    Shapes:
        rotation ``[k, B, d, d]``, weight and rule ``[k, B]``, overflow ``[B]``.
    """

    rotation: Tensor
    weight: Tensor
    rule: Tensor
    overflow: Tensor

    def largest(self, k: int) -> Padded:
        """Return the k frames of each body with the largest weights (all if k is larger), in this order."""
        place, more = largest_weights(self.weight, k)
        rotation, weight, rule = (taken(x, place) for x in (self.rotation, self.weight, self.rule))
        return Padded(rotation, weight, rule, self.overflow | more)

    def beside(self, others: Padded) -> Padded:
        """Return these frames and others."""
        pairs = ((getattr(self, name), getattr(others, name)) for name in ("rotation", "weight", "rule"))
        rotation, weight, rule = (torch.cat(pair) for pair in pairs)
        return Padded(rotation, weight, rule, self.overflow | others.overflow)

    def filled(self) -> Padded:
        """Return the same frames, with the first one of the body in place of those of weight 0."""
        empty = (self.weight.detach() == 0)[:, :, None, None]
        return replace(self, rotation=torch.where(empty, self.rotation[:1], self.rotation))


def largest_weights(weight: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The places ``[k, B]`` of the largest weights ``[n, B]`` of each body, and whether there are more."""
    weight = weight.detach()
    return weight.argsort(dim=0, descending=True, stable=True)[:k], (weight > 0).sum(0) > k


def taken(x: Tensor, place: Tensor) -> Tensor:
    """The elements of ``x [n, B, ...]`` at ``place [k, B]``."""
    place = place.view(*place.shape, *(1,) * (x.dim() - 2))
    return x.gather(0, place.expand(-1, -1, *x.shape[2:]))
