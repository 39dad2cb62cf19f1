"""Vector neurons: layers on lists of 3-d vectors that commute with rotations.

Vectors are stored by coordinate, ``[3, n, C]``: then a linear map of the C channels is a single matrix
product, and norms and inner products are sums of contiguous blocks.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from fa_pyg.models.points.clouds import Clouds
from fa_pyg.models.points.heads import scaled
from fa_pyg.neighbors.table import knn_table

__all__ = [
    "VNMLP",
    "VNAxes",
    "VNBatchNorm",
    "VNEdgeLayer",
    "VNLayer",
    "cloud_mean",
    "dot",
    "edge_features",
    "inner_products",
    "nearest",
    "vn_width",
]

EPS = 1e-6  # added to squared norms
SHIFT = (3 * math.pi / 8 - 1) ** -0.5  # mean over standard deviation of the norm of a normal vector
TINY = 1e-24  # the same for square roots, whose derivative is infinite at 0


class VNLayer(nn.Module):
    r"""Linear map, batch norm and leaky ReLU of vector neurons (Deng et al. 2021).

    .. math:: p = \mathrm{BN}(W v), \qquad d = U v, \qquad
              v' = p - (1 - a)\, \min(\langle p, d \rangle, 0)\, \frac{d}{|d|^2 + \epsilon}

    Where p points against the learned direction d, its component along d is multiplied by the slope a.

    Args:
        in_channels, out_channels: numbers of vectors.
        slope: a.
        shared: the same direction for all channels.

    Shapes: ``[3, ..., in_channels]`` to ``[3, ..., out_channels]``.
    """

    def __init__(self, in_channels: int, out_channels: int, slope: float = 0.2, shared: bool = False) -> None:
        super().__init__()
        self.slope = slope
        self.linear = nn.Linear(in_channels, out_channels, bias=False)
        self.direction = nn.Linear(in_channels, 1 if shared else out_channels, bias=False)
        self.norm = VNBatchNorm(out_channels)

    def forward(self, v: Tensor, of_cloud: Tensor | None = None, clouds: Clouds | None = None) -> Tensor:
        """Return vectors of the layer; those of the cloud, ``[3, B, C']``, may join those of each point."""
        if of_cloud is None:
            return self.activate(self.linear(v), self.direction(v))
        if clouds is None:
            raise ValueError("clouds: expected those of of_cloud, found None")
        batch = clouds.batch
        parts = (w.tensor_split([v.size(-1)], dim=1) for w in (self.linear.weight, self.direction.weight))
        return self.activate(
            *(linear(v, own) + linear(of_cloud, shared).index_select(1, batch) for own, shared in parts)
        )

    def activate(self, p: Tensor, d: Tensor) -> Tensor:
        """Return the activation of the vectors p, before batch norm, along d."""
        scale = self.norm.scale(p)
        along = (scale * dot(p, d)).clamp(max=0) / (dot(d, d) + EPS)
        return torch.addcmul(scale * p, along, d, value=self.slope - 1)


class VNBatchNorm(nn.Module):
    r"""Batch norm of the norms of vectors.

    .. math:: v' = v\, \mathrm{BN}(|v|)\, \frac{|v|}{|v|^2 + \epsilon}
              \approx v\, \frac{\mathrm{BN}(|v|)}{|v|}

    A zero vector has no direction: with :math:`\epsilon` it stays zero, and so does its gradient. The shift
    of BN is initialized so that normally distributed vectors are all multiplied by the same number. From 0,
    half of the vectors would change sign and the shortest would become long: networks then learn little.

    Shapes: ``[3, ..., C]`` to itself.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm1d(channels)
        nn.init.constant_(self.bn.bias, SHIFT)

    def forward(self, v: Tensor) -> Tensor:
        return v * self.scale(v)

    def scale(self, v: Tensor) -> Tensor:
        """Return the factor of each vector, ``[..., C]``."""
        square = dot(v, v)
        norm = (square + TINY).sqrt()
        return self.bn(norm.flatten(0, -2)).view_as(norm) * (norm / (square + EPS))


class VNEdgeLayer(VNLayer):
    r"""A :class:`VNLayer` of the edge features :math:`(v_j - v_i,\; v_i)`, mapped per node, then gathered.

    .. math:: W [v_j - v_i,\; v_i] = W_1 v_j + (W_2 - W_1) v_i

    Shapes: ``v [3, N, in_channels]`` and neighbors ``[N, k]``; returns ``[3, N, k, out_channels]``.
    """

    def __init__(self, in_channels: int, out_channels: int, slope: float = 0.2) -> None:
        super().__init__(2 * in_channels, out_channels, slope)

    def forward(self, v: Tensor, near: Tensor) -> Tensor:
        return self.activate(*(self._map(v, near, w) for w in (self.linear.weight, self.direction.weight)))

    @staticmethod
    def _map(v: Tensor, near: Tensor, weight: Tensor) -> Tensor:
        of_difference, of_node = weight.chunk(2, dim=1)
        from_near = linear(v, of_difference).index_select(1, near.flatten()).unflatten(1, near.shape)
        return from_near + linear(v, of_node - of_difference).unsqueeze(2)


class VNMLP(nn.Sequential):
    """:class:`VNLayer` s of these widths, the last of which may be a linear map.

    Shapes: ``[3, ..., widths[0]]`` to ``[3, ..., widths[-1]]``.
    """

    def __init__(self, *widths: int, slope: float = 0.2, ends_linear: bool = False) -> None:
        pairs = list(pairwise(widths))
        last = [nn.Linear(*pairs.pop(), bias=False)] if ends_linear else []
        super().__init__(*(VNLayer(*pair, slope) for pair in pairs), *last)


class VNAxes(nn.Module):
    """Three learned vectors of each point, from its vectors and their mean over the cloud.

    Args:
        channels: number of vectors of a point; as many in a first and half as many in a second layer.
        slope: of the leaky ReLU.

    Shapes: ``v [3, N, channels]`` and ``mean [3, B, channels]`` to ``[3, N, 3]``.
    """

    def __init__(self, channels: int, slope: float = 0.2) -> None:
        super().__init__()
        half = max(channels // 2, 1)
        self.first, self.second = VNLayer(2 * channels, channels, slope), VNLayer(channels, half, slope)
        self.last = nn.Linear(half, 3, bias=False)

    def forward(self, v: Tensor, mean: Tensor, clouds: Clouds) -> Tensor:
        return self.last(self.second(self.first(v, mean, clouds)))


def nearest(v: Tensor, k: int, clouds: Clouds) -> Tensor:
    """Find the k nearest points of each, itself included, in all coordinates of its vectors: ``[N, k]``."""
    repeated = clouds.points is None or clouds.points < k  # from the nearest on
    return knn_table(v.movedim(0, 1).flatten(1), k, clouds.batch, clouds.points, ordered=repeated)


def edge_features(pos: Tensor, near: Tensor, cross: bool) -> Tensor:
    """Return difference, center and, with ``cross``, their product: ``[3, N, k, 2 + cross]``."""
    center = pos.unsqueeze(1).expand(*near.shape, 3)
    difference = pos.index_select(0, near.flatten()).view_as(center) - center
    vectors = [difference, center] + [torch.linalg.cross(difference, center)] * cross
    return torch.stack(vectors, dim=-1).movedim(2, 0).contiguous()


def inner_products(v: Tensor, axes: Tensor) -> Tensor:
    """Return the inner products of ``v [3, N, C]`` with ``axes [3, N, 3]``, ``[N, 3 C]``."""
    return torch.cat([dot(v, axis.unsqueeze(-1)) for axis in axes.unbind(-1)], dim=-1)


def cloud_mean(v: Tensor, clouds: Clouds) -> Tensor:
    """Return the mean over the points of each cloud, ``[3, B, C]`` of ``[3, N, C]``."""
    return clouds.pool(v.movedim(0, 1), "mean").movedim(0, 1)


def dot(u: Tensor, v: Tensor) -> Tensor:
    """Return the inner products of vectors ``[3, ...]``."""
    (u0, u1, u2), (v0, v1, v2) = u.unbind(), v.unbind()
    return torch.addcmul(torch.addcmul(u0 * v0, u1, v1), u2, v2)


def vn_width(channels: int, width: float) -> int:
    """Return the number of vectors in place of so many channels: a third, at least 4."""
    return max(scaled(channels, width) // 3, 4)
