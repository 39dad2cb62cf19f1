"""Heads of point networks: vectors of the points, or classes of the clouds."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, normalize

from fa_pyg import checks
from fa_pyg.models.points.clouds import Clouds

__all__ = ["ClassHead", "NormalHead", "make_head", "mlp", "scaled", "unit"]


class NormalHead(nn.Module):
    """Normal of each point, from features of the point and of its cloud: widths 256-256-128-3.

    The first map is stored whole and computed in parts: that of the cloud's features runs per cloud.

    Args:
        cloud_channels, point_channels: number of features of a cloud and of a point.
        width: multiplies the hidden widths.
        act: the activation.
        dropout: after each of the first two activations.
        bounded: map the components to (-1, 1), by twice the sigmoid less 1.
        normalize: return unit vectors, else vectors of any length, whose average over frames has a length
            too.

    Shapes:
        of_cloud ``[B, cloud_channels]``, of_points ``[N, point_channels]``; returns ``[N, 3]``.
    """

    def __init__(
        self,
        cloud_channels: int,
        point_channels: int,
        width: float,
        act: nn.Module,
        dropout: float = 0.0,
        bounded: bool = False,
        normalize: bool = True,
    ) -> None:
        super().__init__()
        first, second, third = scaled(256, width), scaled(256, width), scaled(128, width)
        self.channels = [cloud_channels, point_channels]
        self.bounded, self.normalize = bounded, normalize
        self.first = nn.Linear(cloud_channels + point_channels, first)
        self.rest = nn.Sequential(
            *[nn.BatchNorm1d(first), act, nn.Dropout(dropout)],
            *[nn.Linear(first, second), nn.BatchNorm1d(second), act, nn.Dropout(dropout)],
            *[nn.Linear(second, third), nn.BatchNorm1d(third), act, nn.Linear(third, 3)],
        )

    def forward(self, of_cloud: Tensor, of_points: Tensor, clouds: Clouds) -> Tensor:
        cloud_map, point_map = self.first.weight.split(self.channels, dim=1)
        h = linear(of_points, point_map, self.first.bias)
        v = self.rest(h + clouds.spread(linear(of_cloud, cloud_map)))
        v = 2 * v.sigmoid() - 1 if self.bounded else v
        return unit(v) if self.normalize else v


class ClassHead(nn.Module):
    """Logits of each cloud, from its features and those of its points, pooled: widths 512-256-classes.

    Args:
        num_classes: number of classes.
        pool: ``"max"`` or ``"mean"``.

    The other arguments are those of :class:`NormalHead`, and so are the shapes; returns ``[B, num_classes]``.
    """

    def __init__(
        self,
        num_classes: int,
        cloud_channels: int,
        point_channels: int,
        width: float,
        act: nn.Module,
        dropout: float = 0.0,
        pool: str = "max",
    ) -> None:
        super().__init__()
        self.pool = pool
        first, second = scaled(512, width), scaled(256, width)
        self.mlp = nn.Sequential(
            *[
                nn.Linear(cloud_channels + point_channels, first),
                nn.BatchNorm1d(first),
                act,
                nn.Dropout(dropout),
            ],
            *[nn.Linear(first, second), nn.BatchNorm1d(second), act, nn.Dropout(dropout)],
            nn.Linear(second, num_classes),
        )

    def forward(self, of_cloud: Tensor, of_points: Tensor, clouds: Clouds) -> Tensor:
        return self.mlp(torch.cat([of_cloud, clouds.pool(of_points, self.pool)], dim=1))


def make_head(
    num_classes: int | None,
    cloud_channels: int,
    point_channels: int,
    width: float,
    act: nn.Module,
    dropout: float = 0.0,
    pool: str = "max",
    bounded: bool = False,
    normalize: bool = True,
) -> NormalHead | ClassHead:
    """Return the head of a model: normals for None, else logits of so many classes."""
    checks.size("num_classes", num_classes, optional=True)
    checks.flag("normalize", normalize)
    if num_classes is None:
        return NormalHead(cloud_channels, point_channels, width, act, dropout, bounded, normalize)
    return ClassHead(num_classes, cloud_channels, point_channels, width, act, dropout, pool)


def mlp(act: nn.Module, *widths: int) -> nn.Sequential:
    """Return linear maps, each followed by batch norm over the rows and an activation."""
    layers = ([nn.Linear(a, b), nn.BatchNorm1d(b), act] for a, b in pairwise(widths))
    return nn.Sequential(*(part for layer in layers for part in layer))


def scaled(published: int, width: float, least: int = 4) -> int:
    """Return a published width, multiplied and rounded, at least 4."""
    return max(round(published * checks.number("width", width, most=64, above=0)), least)


def unit(v: Tensor) -> Tensor:
    """Return vectors ``[N, 3]`` of length one; 0 for 0, with a finite gradient."""
    return normalize(v, dim=-1)
