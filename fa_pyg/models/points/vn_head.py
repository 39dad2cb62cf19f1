"""Head of vector-neuron networks: normals in three learned axes, or classes of the clouds."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from fa_pyg.math.linalg import gather, mean
from fa_pyg.models.points.clouds import Clouds
from fa_pyg.models.points.heads import make_head
from fa_pyg.models.points.vn_layers import VNAxes, cloud_mean, inner_products

__all__ = ["VNHead", "centered"]

SHORT = (
    1e-6  # normals before normalization, below which they stay shorter than one, and their gradients finite
)


class VNHead(nn.Module):
    r"""Invariants of vectors by three learned vectors, the head of a plain network on them, and back.

    .. math:: z_{i1}, z_{i2}, z_{i3} = \mathrm{VN}(v_i, \bar v), \qquad
              h_i = [\langle v_{ic}, z_{ia} \rangle], \qquad n_i = \sum_a \mathrm{MLP}(h)_{ia}\, z_{ia}

    Invariants and head are those of Deng et al. (2021) for segmentation. In the last step, which is new, the
    outputs are coefficients of the learned vectors, so that normals rotate with the cloud.

    Args:
        wide: number of vectors that the axes are computed from, and the features of the cloud.
        narrow: number of further vectors, features of the points.
        num_classes: None for normals.
        width: multiplies the hidden widths of the plain head.
        act: its activation.
        dropout: as in the plain head.
        slope: of the vectors' leaky ReLU.
        keep: whether invariants of the wide vectors are also features of the points.

    Shapes: ``wide [3, N, C]``, ``narrow [3, N, C']``; returns unit vectors ``[N, 3]``, or logits
        ``[B, num_classes]``.
    """

    def __init__(
        self,
        wide: int,
        narrow: int,
        num_classes: int | None,
        width: float,
        act: nn.Module,
        dropout: float = 0.0,
        slope: float = 0.2,
        keep: bool = False,
    ) -> None:
        super().__init__()
        self.is_normal, self.keep = num_classes is None, keep
        self.axes = VNAxes(wide, slope)
        self.head = make_head(num_classes, 6 * wide, 3 * narrow + 6 * wide * keep, width, act, dropout)

    def forward(self, wide: Tensor, narrow: Tensor, clouds: Clouds) -> Tensor:
        means = cloud_mean(wide, clouds)
        axes = self.axes(wide, means, clouds)
        parts = [inner_products(v, axes) for v in (wide, means.index_select(1, clouds.batch))]
        of_cloud = torch.cat([clouds.pool(part, "max") for part in parts], dim=-1)
        of_points = torch.cat([inner_products(narrow, axes), *parts * self.keep], dim=-1)
        out = self.head(of_cloud, of_points, clouds)
        return normalize((axes * out).sum(-1).t(), eps=SHORT) if self.is_normal else out


def centered(pos: Tensor, clouds: Clouds) -> Tensor:
    """Return the points relative to the centers of their clouds, ``[N, 3]``."""
    return pos - gather(mean(pos, clouds.batch, clouds.size), clouds.batch)
