"""DGCNN: edge convolutions on graphs of nearest neighbors, found anew in every layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from fa_pyg import checks
from fa_pyg.models.points.clouds import POOLS, read_clouds
from fa_pyg.models.points.edge_conv import EdgeConv
from fa_pyg.models.points.heads import make_head, mlp, scaled
from fa_pyg.models.points.transform import TNet

__all__ = ["DGCNN"]


class DGCNN(nn.Module):
    r"""Dynamic graph CNN (Wang et al. 2019) for normals or classes; *not* equivariant without a frame.

    "Dynamic Graph CNN for Learning on Point Clouds", with the widths of its part segmentation. Each of three
    edge convolutions (``EdgeConv``) has the nearest neighbors in the
    space of its own input; the maxima of a map of all three describe the cloud:

    .. math:: h^l = \mathrm{EdgeConv}_l(h^{l-1}), \qquad h_i^0 = x_i A, \qquad
              n_i = \psi\big(\max_j \phi(h_j^1, h_j^2, h_j^3),\; h_i^1, h_i^2, h_i^3\big)

    with batch norm and leaky ReLU (slope 0.2), a transform A of the cloud
    (``TNet``) computed from an edge convolution, and the components of
    the output mapped to (-1, 1) before it is normalized.

    Args:
        width: multiplies all widths; published: 64-64, 64-64 and 64, 192-1024, joined 1216-256-256-128-3;
            transform 64-128-1024-512-256.
        k: number of neighbors, counting the point itself; published: 40.
        num_classes: return logits of so many classes (head 512-256) instead of normals.
        transforms: transform the points; without, A is the identity.
        pool: ``"max"`` or ``"mean"``, over neighbors and over points.
        normalize: return unit vectors; else vectors to be averaged over frames first.
        coordinates: join the coordinates of the points with :math:`h^1, h^2, h^3`.
        dropout: of the first two layers of the head; published: 0.5.

    Shapes:
        pos ``[N, 3]``, clouds of any numbers of points, at the origin and of size one; batch ``[N]`` or None.
        Returns normals ``[N, 3]``, or logits ``[B, num_classes]``.

    Raises:
        ValueError: for arguments out of range and other shapes; by batch norm in training on a single cloud
            with ``transforms`` or ``num_classes``, and on a single point.

    Not guaranteed: the same output for points in another order where distances to neighbors are equal, as on
    lattices and symmetric parts.
    """

    invariants_of: ClassVar[dict[str, str]] = {"pos": "point"}

    def __init__(
        self,
        width: float = 1.0,
        k: int = 40,
        num_classes: int | None = None,
        transforms: bool = True,
        pool: str = "max",
        normalize: bool = True,
        coordinates: bool = False,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.pool, act = checks.one_of("pool", pool, POOLS), nn.LeakyReLU(0.2, inplace=True)
        checks.integer("k", k)
        checks.number("dropout", dropout, 0, below=1)
        self.coordinates = checks.flag("coordinates", coordinates)
        c, double, high = scaled(64, width), scaled(128, width), scaled(1024, width)
        self.transforms = nn.ModuleList()
        if checks.flag("transforms", transforms):
            self.transforms.append(EdgeConv(k, act, pool, 3, c, double))
            self.transforms.append(TNet([double], 3, width, act, pool))
        widths = (3, c, c), (c, c, c), (c, c)
        self.convs = nn.ModuleList([EdgeConv(k, act, pool, *channels) for channels in widths])
        joined = 3 * c + 3 * coordinates
        self.of_cloud = mlp(act, joined, high)
        self.num_classes = num_classes
        self.head = make_head(num_classes, high, joined, width, act, dropout, pool, True, normalize)

    def invariants(self, pos: Tensor, batch: Tensor | None = None) -> dict[str, Tensor]:
        """Return what no frame changes: the nearest neighbors of the points, for the first edge convolution.

        Arguments are those of a call (:class:`~fa_pyg.nn.invariants.Invariants`).
        """
        first: Any = self.transforms[0] if self.transforms else self.convs[0]
        return {"node_index": first.near(pos, read_clouds(pos, batch))}

    def forward(
        self, pos: Tensor, batch: Tensor | None = None, invariants: Mapping[str, Tensor] | None = None
    ) -> Tensor:
        clouds, h = read_clouds(pos, batch), pos
        near: Tensor | None = None if invariants is None else invariants["node_index"]
        if self.transforms:
            edge_conv, net = self.transforms
            h, near = clouds.transform(pos, net(edge_conv(pos, clouds, near), clouds)), None
        features = [pos] if self.coordinates else []
        for conv in self.convs:
            h, near = conv(h, clouds, near), None  # of the points alone, not of their features
            features.append(h)
        joined = torch.cat(features, dim=1)
        return self.head(clouds.pool(self.of_cloud(joined), self.pool), joined, clouds)
