"""Blends between families of weighted frames: smooth shares by gaps of the eigenvalues."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

__all__ = ["Blend", "step"]


def step(t: Tensor, start: float = 0.5) -> Tensor:
    """A smooth step: 0 below ``start``, 1 above 1, with a Lipschitz continuous derivative."""
    t = ((t - start) / (1 - start)).clamp(0, 1)
    return t * t * (3 - 2 * t)


@dataclass(frozen=True)
class Blend:
    r"""Shares of the families of frames in each body, all ``[B]``; they sum to 1.

    The shares are products of smooth steps: A of the gap of the largest eigenvalue, B of the gap of the
    smallest, and L of the other eigenvalues over the largest. Each step is a symmetric function of two
    eigenvalues: where these meet, each of them has a kink, but a smooth symmetric function of both does not.
    So the shares are once differentiable everywhere.

    Args:
        generic: A B L: the principal axes.
        top: A (1 - B) L: the largest axis is good, the others are not.
        line: A (1 - L): the same, and the cloud is a line.
        bottom: (1 - A) B: the smallest axis is good.
        free: (1 - A) (1 - B): none of the axes is good.
        point: whether the cloud is a point, up to rounding.
    """

    generic: Tensor
    top: Tensor
    line: Tensor
    bottom: Tensor
    free: Tensor
    point: Tensor

    def of_bodies(self, bodies: Tensor) -> Blend:
        """The shares of some bodies."""
        return Blend(*(getattr(self, field.name).index_select(0, bodies) for field in fields(self)))

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
            origin: the origin of the points, from whose distance their rounding follows.
            gap: relative gap beyond which eigenvalues count as distinct.
            line: relative spread across a line.
            start: fraction of ``gap`` at which the blend begins.
            near: anisotropy beyond which some axis is good, in three dimensions; blended from 0.05 of it.
        """
        top = values[:, -1]
        # The rounding that is left when the centroid is subtracted from a point far from the origin.
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
