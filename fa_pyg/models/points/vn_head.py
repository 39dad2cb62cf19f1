"""Heads of vector-neuron networks: normals of the points, or classes of the clouds."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from fa_pyg.math.linalg import gather, mean
from fa_pyg.models.points.clouds import Clouds
from fa_pyg.models.points.heads import make_head
from fa_pyg.models.points.vn_layers import VNMLP, VNAxes, VNLayer, cloud_mean, inner_products, vn_width

__all__ = ["VNClassHead", "VNNormalHead", "centered", "make_vn_head"]

SHORT = 1e-6  # vectors below this length stay shorter than one, with a bounded gradient


class VNNormalHead(nn.Module):
    """A unit vector of each point, from its vectors and their means over the cloud: widths 85-85-42-1.

    Those of PointNet's head by three. The last layer is a linear map to one vector: equivariant.

    Args:
        wide: number of vectors, of which the means are joined too.
        narrow: number of further vectors.
        width: multiplies the hidden widths.
        slope: of the leaky ReLU.

    Shapes: ``wide [3, N, C]``, ``narrow [3, N, C']``; returns ``[N, 3]``.
    """

    def __init__(self, wide: int, narrow: int, width: float, slope: float = 0.2) -> None:
        super().__init__()
        first, last = vn_width(256, width), vn_width(128, width)
        self.first = VNLayer(2 * wide + narrow, first, slope)
        self.rest = VNMLP(first, first, last, 1, slope=slope, ends_linear=True)

    def forward(self, wide: Tensor, narrow: Tensor, clouds: Clouds) -> Tensor:
        joined = self.first(torch.cat([narrow, wide], dim=-1), cloud_mean(wide, clouds), clouds)
        return normalize(self.rest(joined).squeeze(-1).t(), eps=SHORT)


class VNClassHead(nn.Module):
    r"""Logits of each cloud: inner products with three learned vectors, and a plain head on them.

    .. math:: z_{i1}, z_{i2}, z_{i3} = \mathrm{VN}(v_i, \bar v), \qquad h_i = [\langle v_{ic}, z_{ia} \rangle]

    Args:
        wide: number of vectors that the three are computed from.
        narrow: number of further vectors, whose invariants are features of the points.
        num_classes: number of classes.
        width: multiplies the hidden widths.
        act: activation of the plain head.
        dropout: of the plain head.
        slope: of the leaky ReLU of vectors.

    Shapes: ``wide [3, N, C]``, ``narrow [3, N, C']``; returns ``[B, num_classes]``.
    """

    def __init__(
        self,
        wide: int,
        narrow: int,
        num_classes: int,
        width: float,
        act: nn.Module,
        dropout: float = 0.0,
        slope: float = 0.2,
    ) -> None:
        super().__init__()
        self.axes = VNAxes(wide, slope)
        self.head = make_head(num_classes, 6 * wide, 3 * narrow, width, act, dropout)

    def forward(self, wide: Tensor, narrow: Tensor, clouds: Clouds) -> Tensor:
        means = cloud_mean(wide, clouds)
        axes = self.axes(wide, means, clouds)
        parts = [inner_products(v, axes) for v in (wide, means.index_select(1, clouds.batch))]
        of_cloud = torch.cat([clouds.pool(part, "max") for part in parts], dim=-1)
        return self.head(of_cloud, inner_products(narrow, axes), clouds)


def make_vn_head(
    wide: int,
    narrow: int,
    num_classes: int | None,
    width: float,
    act: nn.Module,
    dropout: float = 0.0,
    slope: float = 0.2,
) -> VNNormalHead | VNClassHead:
    """Return the head of a model: normals for None, else logits of so many classes."""
    if num_classes is None:
        return VNNormalHead(wide, narrow, width, slope)
    return VNClassHead(wide, narrow, num_classes, width, act, dropout, slope)


def centered(pos: Tensor, clouds: Clouds) -> Tensor:
    """Return the points relative to the centers of their clouds, ``[N, 3]``."""
    return pos - gather(mean(pos, clouds.batch, clouds.size), clouds.batch)
