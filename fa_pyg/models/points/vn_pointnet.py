"""VN-PointNet: PointNet of vector neurons."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fa_pyg import checks
from fa_pyg.models.points.clouds import Clouds, read_clouds
from fa_pyg.models.points.vn_head import centered, make_vn_head
from fa_pyg.models.points.vn_layers import (
    VNMLP,
    VNBatchNorm,
    VNLayer,
    cloud_mean,
    edge_features,
    nearest,
    vn_width,
)

__all__ = ["VNPointNet"]


class VNPointNet(nn.Module):
    r"""VN-PointNet of "Vector Neurons: A General Framework for SO(3)-Equivariant Networks".

    Deng et al. (2021): PointNet on lists of vectors. The first vectors of a point are a mean over its
    nearest neighbors,

    .. math:: v_i = \frac{1}{k} \sum_j \mathrm{VN}\big([x_j - x_i,\; x_i,\; (x_j - x_i) \times x_i]\big)

    and vectors of the cloud, which join those of the points, are made of means. Widths are those of part
    segmentation, a third of PointNet's: 21; 21-42-42, joined with 42 of the cloud (21-42-341, mean,
    170-85-42), 170-682. Normals are equivariant to rotations and translations (SE(3)), classes invariant;
    with ``cross=False`` to reflections too (E(3)).

    Args:
        width: multiplies all widths.
        k: number of nearest neighbors, the point included.
        num_classes: None for normals.
        cross: use the cross product, a pseudovector.

    Shapes:
        pos ``[N, 3]``, batch ``[N]`` (None: one cloud); returns unit normals ``[N, 3]``, or logits
        ``[B, num_classes]``.

    Raises:
        ValueError: for arguments out of range and inputs of other shapes; by batch norm in training on a
            single cloud.

    Not guaranteed: equivariance under reflections with the cross product; invariance to scale: clouds should
    have a size of about one; the same neighbors in a rotated cloud where distances are equal (grids). The
    initial shift of the batch norms is not the published one (0), with which little was learned.
    """

    def __init__(
        self, width: float = 1.0, k: int = 40, num_classes: int | None = None, cross: bool = True
    ) -> None:
        super().__init__()
        self.k, self.cross = checks.integer("k", k), checks.flag("cross", cross)
        self.num_classes = num_classes
        c64, c128, c512, c2048 = (vn_width(c, width) for c in (64, 128, 512, 2048))
        self.edges = VNLayer(2 + cross, c64, slope=0.0)
        self.first, self.second = VNLayer(c64, c64, slope=0.0), VNLayer(c64, c128, slope=0.0)
        self.third, self.fourth = VNLayer(c128, c128, slope=0.0), VNLayer(2 * c128, c512, slope=0.0)
        self.of_cloud = _CloudVectors(c128, width)
        self.last = nn.Sequential(nn.Linear(c512, c2048, bias=False), VNBatchNorm(c2048))
        narrow = c64 + 2 * c128 + c512
        self.head = make_vn_head(c2048, narrow, num_classes, width, nn.ReLU(), slope=0.0)

    def forward(self, pos: Tensor, batch: Tensor | None = None) -> Tensor:
        clouds = read_clouds(pos, batch)
        pos = centered(pos, clouds)
        near = nearest(pos.t().unsqueeze(-1), self.k, clouds)
        v = self.edges(edge_features(pos, near, self.cross)).mean(2)
        v1 = self.first(v)
        v2 = self.second(v1)
        v3 = self.third(v2)
        v4 = self.fourth(v3, self.of_cloud(v3, clouds), clouds)
        return self.head(self.last(v4), torch.cat([v1, v2, v3, v4], dim=-1), clouds)

    def extra_repr(self) -> str:
        return f"k={self.k}, cross={self.cross}"


class _CloudVectors(nn.Module):
    """Vectors of each cloud, ``[3, B, C]`` of ``[3, N, C]``, in place of PointNet's transform of features."""

    def __init__(self, channels: int, width: float) -> None:
        super().__init__()
        c64, c128, c1024, c512, c256 = (vn_width(c, width) for c in (64, 128, 1024, 512, 256))
        self.points = VNMLP(channels, c64, c128, c1024)
        self.cloud = VNMLP(c1024, c512, c256, channels, ends_linear=True)

    def forward(self, v: Tensor, clouds: Clouds) -> Tensor:
        return self.cloud(cloud_mean(self.points(v), clouds))
