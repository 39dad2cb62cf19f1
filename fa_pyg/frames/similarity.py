"""Scalings and boosts of tensors: the part of a group element beside its motion."""

from __future__ import annotations

import torch
from torch import Tensor

from fa_pyg.math.linalg import gather
from fa_pyg.reps import Rep

__all__ = ["align", "moved", "moved_back", "positive"]


def moved(z: Tensor, rep: Rep, body: Tensor | None, scale: Tensor | None, velocity: Tensor | None) -> Tensor:
    r"""Return :math:`\lambda^{scale} z + boost \cdot u`; where :math:`\lambda = 0`, the first summand is 0.

    Args:
        z: a tensor with explicit geometric axes.
        rep: its representation.
        body: the body of each row; None if there is only one.
        scale: :math:`\lambda \ge 0` of each body, or None for 1.
        velocity: u of each body, or None for 0.

    Shapes:
        z ``[n, C..., d, ..., d]``, body ``[n]``, scale ``[B]``, velocity ``[B, d]``.
    """
    if rep.scale and scale is not None:
        factor = torch.where(scale == 0, 0, positive(scale).pow(rep.scale))
        z = z * align(gather(factor, body), z)
    if rep.boost and velocity is not None:
        z = z + rep.boost * align(gather(velocity, body), z)
    return z


def moved_back(
    x: Tensor, rep: Rep, body: Tensor | None, scale: Tensor | None, velocity: Tensor | None
) -> Tensor:
    r"""Return :math:`\lambda^{-scale} (x - boost \cdot u)`; where :math:`\lambda = 0`, nothing is scaled."""
    if rep.boost and velocity is not None:
        x = x - rep.boost * align(gather(velocity, body), x)
    if rep.scale and scale is not None:
        x = x * align(gather(positive(scale).pow(-rep.scale), body), x)
    return x


def positive(scale: Tensor) -> Tensor:
    """The scale, 1 in place of 0; a NaN stays."""
    return torch.where(scale == 0, 1, scale)


def align(x: Tensor, like: Tensor) -> Tensor:
    """Insert axes into ``x [n]`` or ``[n, d]`` for the channels of ``like [n, C..., (d...)]``."""
    return x.reshape(x.size(0), *(1,) * (like.dim() - x.dim()), *x.shape[1:])
