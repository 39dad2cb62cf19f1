"""Learned linear transforms of points and of their features (T-Nets)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fa_pyg.models.points.clouds import Clouds
from fa_pyg.models.points.heads import mlp, scaled

__all__ = ["TNet"]


class TNet(nn.Module):
    r"""Transform of each cloud, predicted from its points (Qi et al. 2017, "PointNet").

    .. math:: A = I + W\, \phi\big(\mathrm{pool}_i\, \psi(h_i)\big)

    with widths 1024 after the given ones (:math:`\psi`) and 512-256 (:math:`\phi`). W and its bias start at
    0, and so A at the identity.

    Args:
        channels: number of features of a point, and widths of the first layers.
        size: number of features that are transformed.
        width: multiplies the published widths.
        act: the activation.
        pool: ``"max"`` or ``"mean"``.

    Shapes:
        h ``[N, channels[0]]``; returns ``[B, size, size]``.
    """

    def __init__(self, channels: list[int], size: int, width: float, act: nn.Module, pool: str) -> None:
        super().__init__()
        self.size, self.pool = size, pool
        high, *middle = (scaled(published, width) for published in (1024, 512, 256))
        self.of_points = mlp(act, *channels, high)
        self.of_cloud = mlp(act, high, *middle)
        self.last = nn.Linear(middle[-1], size * size)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, h: Tensor, clouds: Clouds) -> Tensor:
        of_cloud = self.of_cloud(clouds.pool(self.of_points(h), self.pool))
        change = self.last(of_cloud).unflatten(1, (self.size, self.size))
        return change + torch.eye(self.size, dtype=h.dtype, device=h.device)
