"""VN-DGCNN: dynamic graph convolutions of vector neurons."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fa_pyg import checks
from fa_pyg.models.points.clouds import read_clouds
from fa_pyg.models.points.vn_head import centered, make_vn_head
from fa_pyg.models.points.vn_layers import (
    VNMLP,
    VNEdgeLayer,
    VNLayer,
    edge_features,
    nearest,
    vn_width,
)

__all__ = ["VNDGCNN"]


class VNDGCNN(nn.Module):
    r"""VN-DGCNN of "Vector Neurons: A General Framework for SO(3)-Equivariant Networks".

    Deng et al. (2021): DGCNN on lists of vectors. Three edge convolutions over the k nearest points, found
    anew before each in the space of all vectors, with means in place of maxima:

    .. math:: v_i \leftarrow \frac{1}{k} \sum_{j \in N_k(v_i)} \mathrm{VN}\big([v_j - v_i,\; v_i]\big)

    Widths are those of part segmentation, a third of DGCNN's: 21-21, 21-21, 21, joined, 341. Normals are
    equivariant to rotations, reflections and translations (E(3)), classes invariant.

    Args:
        width: multiplies all widths.
        k: number of nearest neighbors, the point included.
        num_classes: None for normals.
        cross: add the cross product of difference and center to the first edge features. It is a
            pseudovector: normals are then equivariant to SE(3) alone.

    Shapes:
        pos ``[N, 3]``, batch ``[N]`` (None: one cloud); returns unit normals ``[N, 3]``, or logits
        ``[B, num_classes]``.

    Raises:
        ValueError: for arguments out of range and inputs of other shapes; by batch norm in training on a
            single cloud with ``num_classes``.

    Not guaranteed: equivariance under reflections with the cross product; invariance to scale: clouds should
    have a size of about one; the same neighbors in a rotated cloud where distances are equal (grids). The
    initial shift of the batch norms is not the published one (0), with which little was learned.
    """

    def __init__(
        self, width: float = 1.0, k: int = 40, num_classes: int | None = None, cross: bool = False
    ) -> None:
        super().__init__()
        self.k, self.cross = checks.integer("k", k), checks.flag("cross", cross)
        self.num_classes = num_classes
        c, wide = vn_width(64, width), vn_width(1024, width)
        self.first = VNMLP(2 + cross, c, c)
        self.second, self.second_again = VNEdgeLayer(c, c), VNLayer(c, c)
        self.third = VNEdgeLayer(c, c)
        self.join = VNLayer(3 * c, wide, shared=True)
        self.head = make_vn_head(wide, 3 * c, num_classes, width, nn.LeakyReLU(0.2), dropout=0.5)

    def forward(self, pos: Tensor, batch: Tensor | None = None) -> Tensor:
        clouds = read_clouds(pos, batch)
        pos = centered(pos, clouds)
        near = nearest(pos.t().unsqueeze(-1), self.k, clouds)
        v1 = self.first(edge_features(pos, near, self.cross)).mean(2)
        v2 = self.second_again(self.second(v1, nearest(v1, self.k, clouds))).mean(2)
        v3 = self.third(v2, nearest(v2, self.k, clouds)).mean(2)
        joined = torch.cat([v1, v2, v3], dim=-1)
        return self.head(self.join(joined), joined, clouds)

    def extra_repr(self) -> str:
        return f"k={self.k}, cross={self.cross}"
