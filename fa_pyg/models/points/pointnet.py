"""PointNet: maps of the points, pooled over each cloud."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from fa_pyg import checks
from fa_pyg.models.points.clouds import POOLS, read_clouds
from fa_pyg.models.points.heads import make_head, mlp, scaled
from fa_pyg.models.points.transform import TNet

__all__ = ["PointNet"]

TRANSFORMED = 3  # layers before the transform of features


class PointNet(nn.Module):
    r"""PointNet (Qi et al. 2017) for normals or classes of point clouds; *not* equivariant without a frame.

    "PointNet: Deep Learning on Point Sets for 3D Classification and Segmentation", with the widths of its
    part segmentation. Every layer is a map of the points, with batch norm and ReLU; the maxima of the last
    one describe the cloud, and are joined with the features of all layers:

    .. math:: h_i^0 = x_i A_3, \qquad h_i^l = \phi_l(h_i^{l-1}), \qquad h_i^4 = \phi_4(h_i^3 A), \qquad
              n_i = \psi\big(\max_j h_j^5,\; h_i^1, \dots, h_i^5\big)

    with transforms A of each cloud (``TNet``).

    Args:
        width: multiplies all widths; published: 64-128-128-512-2048, joined 4928-256-256-128-3; transforms
            64-128-1024-512-256.
        num_classes: return logits of so many classes (head 512-256) instead of normals.
        transforms: transform points and features; without, A is the identity.
        pool: ``"max"`` or ``"mean"``.
        normalize: return unit vectors; else vectors to be averaged over frames first.
        channels: published widths of the layers, at least 4.
        num_vectors: number C of points or vectors of each node.

    Shapes:
        pos ``[N, 3]``, or ``[N, C, 3]`` for C > 1, clouds of any numbers of points, at the origin and of size
        one; batch ``[N]`` or None. Returns normals ``[N, 3]``, or logits ``[B, num_classes]``.

    Raises:
        ValueError: for arguments out of range and other shapes; by batch norm in training on a single cloud
            with ``transforms`` or ``num_classes``, and on a single point.

    Deviations: the last layer is followed by a ReLU like the others. The penalty of the transform of features
    (:meth:`forward_with_penalty`) is the squared norm.
    """

    def __init__(
        self,
        width: float = 1.0,
        num_classes: int | None = None,
        transforms: bool = True,
        pool: str = "max",
        normalize: bool = True,
        channels: Sequence[int] = (64, 128, 128, 512, 2048),
        num_vectors: int = 1,
    ) -> None:
        super().__init__()
        if not isinstance(channels, Sequence) or len(channels) <= TRANSFORMED:
            checks.refuse("channels", f"more than {TRANSFORMED} widths", channels)
        self.pool, act = checks.one_of("pool", pool, POOLS), nn.ReLU(inplace=True)
        self.num_classes = num_classes
        self.num_vectors = checks.size("num_vectors", num_vectors)
        widths = [3 * num_vectors, *(scaled(checks.size("channels", c), width) for c in channels)]
        self.layers = nn.ModuleList([mlp(act, a, b) for a, b in pairwise(widths)])
        lower = [scaled(64, width), scaled(128, width)]
        sizes = (widths[0], widths[TRANSFORMED]) if checks.flag("transforms", transforms) else ()
        self.transforms = nn.ModuleList([TNet([size, *lower], size, width, act, pool) for size in sizes])
        joined = sum(widths[1:])
        self.head = make_head(num_classes, widths[-1], joined, width, act, pool=pool, normalize=normalize)

    def forward(self, pos: Tensor, batch: Tensor | None = None) -> Tensor:
        return self.forward_with_penalty(pos, batch)[0]

    def forward_with_penalty(self, pos: Tensor, batch: Tensor | None = None) -> tuple[Tensor, Tensor]:
        r"""Return the output, and the mean of :math:`|A A^\top - I|^2` for the transforms of features.

        To be added to the loss, with a factor of 0.001 (published). 0 without ``transforms``.
        """
        clouds = read_clouds(pos, batch, self.num_vectors)
        h, features, matrix = pos.flatten(1), [], pos.new_ones(1, 1, 1)
        for i, layer in enumerate(self.layers):
            if self.transforms and i in (0, TRANSFORMED):
                matrix = self.transforms[i // TRANSFORMED](h, clouds)
                h = clouds.transform(h, matrix)
            h = layer(h)
            features.append(h)
        out = self.head(clouds.pool(h, self.pool), torch.cat(features, dim=1), clouds)
        return out, _distance_from_rotations(matrix)


def _distance_from_rotations(matrix: Tensor) -> Tensor:
    eye = torch.eye(matrix.size(1), dtype=matrix.dtype, device=matrix.device)
    return (matrix @ matrix.mT - eye).square().sum(dim=(1, 2)).mean()
