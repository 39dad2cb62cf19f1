"""PointNet: shared maps of the points, pooled over each cloud."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from fa_pyg import checks
from fa_pyg.models.points.clouds import POOLS, Clouds, read_clouds
from fa_pyg.models.points.heads import make_head, mlp, scaled
from fa_pyg.models.points.transform import TNet

__all__ = ["PointNet"]

TRANSFORMED = 3  # layers before the transform of features


class PointNet(nn.Module):
    r"""PointNet (Qi et al. 2017) for normals of points, or classes of clouds; *not* equivariant without a
    frame.

    "PointNet: Deep Learning on Point Sets for 3D Classification and Segmentation", with the widths of its
    part segmentation. Every layer is a map of the points, with batch norm and ReLU; the largest value of each
    feature of the last layer describes the cloud, and is joined with the features of all layers:

    .. math:: h_i^0 = x_i A_3, \qquad h_i^l = \phi_l(h_i^{l-1}) \quad (\phi_4(h_i^3 A)), \qquad
              n_i = \psi\big(\max_j h_j^5, h_i^1, \dots, h_i^5\big)

    The matrices A of :class:`~fa_pyg.models.points.transform.TNet` (widths 64-128-1024-512-256) transform
    points and features.

    Args:
        width: multiplies all widths; published: 64-128-128-512-2048, and 256-256-128-3.
        num_classes: return logits of so many classes instead of normals.
        transforms: transform points and features by T-Nets.
        pool: ``"max"`` or ``"mean"``.
        normalize: return unit vectors; else vectors to be averaged over frames first.
        channels: widths of the layers.
        num_vectors: number of points or vectors of each node; with more than one without ``transforms``.

    Shapes:
        pos ``[N, 3]`` (``[N, num_vectors, 3]``), clouds of any numbers of points; batch ``[N]`` or None.
        Returns normals ``[N, 3]``, or logits ``[B, num_classes]``. Learned for clouds at the origin, of size
        one (:class:`~fa_pyg.transforms.NormalizeCloud`).

    Raises:
        ValueError: for arguments out of range and other shapes; by batch norm for a single cloud in training
            with ``transforms`` or ``num_classes``.

    Deviation: the last layer, too, is followed by a ReLU.
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
        self.pool, act = checks.one_of("pool", pool, POOLS), nn.ReLU()
        self.num_vectors = checks.size("num_vectors", num_vectors)
        checks.flag("normalize", normalize)
        widths = [3 * num_vectors, *(scaled(checks.size("channels", c), width) for c in channels)]
        self.layers = nn.ModuleList([mlp(act, a, b) for a, b in pairwise(widths)])
        self.transforms = nn.ModuleList()
        if checks.flag("transforms", transforms):
            lower = [scaled(64, width), scaled(128, width)]
            sizes = widths[0], widths[TRANSFORMED]
            self.lower = nn.ModuleList([mlp(act, size, *lower) for size in sizes])
            self.transforms.extend([TNet(lower[-1], size, width, act, pool) for size in sizes])
        self.num_classes = num_classes
        self.head = make_head(
            num_classes, widths[-1], sum(widths[1:]), width, act, pool=pool, normalize=normalize
        )

    def forward(self, pos: Tensor, batch: Tensor | None = None) -> Tensor:
        return self.forward_with_penalty(pos, batch)[0]

    def forward_with_penalty(self, pos: Tensor, batch: Tensor | None = None) -> tuple[Tensor, Tensor]:
        r"""Return the output, and the penalty of the transform of features, the mean of :math:`|A A^T -
        I|^2`.

        To be added to the loss, times 0.001 (published). 0 without ``transforms``.
        """
        clouds = read_clouds(pos, batch)
        h, penalty = pos.flatten(1), pos.new_zeros(())
        features = []
        for i, layer in enumerate(self.layers):
            if self.transforms and i in (0, TRANSFORMED):
                h, penalty = self._transformed(h, clouds, i // TRANSFORMED)
            h = layer(h)
            features.append(h)
        return self.head(clouds.pool(h, self.pool), torch.cat(features, dim=1), clouds), penalty

    def _transformed(self, h: Tensor, clouds: Clouds, which: int) -> tuple[Tensor, Tensor]:
        matrix = self.transforms[which](self.lower[which](h), clouds)
        eye = torch.eye(matrix.size(1), dtype=h.dtype, device=h.device)
        return clouds.transform(h, matrix), (matrix @ matrix.mT - eye).square().sum((1, 2)).mean()
