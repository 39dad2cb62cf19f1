"""Normals of principal component analysis, the classical estimate."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fa_pyg import checks
from fa_pyg.math.eigh import safe_axes
from fa_pyg.math.linalg import working_dtype
from fa_pyg.models.points.clouds import read_clouds
from fa_pyg.models.points.vn_head import centered
from fa_pyg.neighbors.table import knn_table

__all__ = ["PCANormals"]

CHUNK = 2**16  # points at once


class PCANormals(nn.Module):
    r"""Normals as the smallest principal axes of neighborhoods (Hoppe et al. 1992); no parameters.

    .. math:: C_i = \sum_{j \in N_k(i)} (x_j - \bar x_i)(x_j - \bar x_i)^\top, \qquad
              C_i n_i = \lambda_{min} n_i

    with the sign :math:`\langle n_i, x_i - \bar x \rangle \ge 0`, outward for convex bodies. Equivariant to
    E(3), where the sign and the smallest axis are unique.

    Args:
        k: number of nearest neighbors, the point included.

    Shapes:
        pos ``[N, 3]``, batch ``[N]`` (None: one cloud); returns unit normals ``[N, 3]``.

    Raises:
        ValueError: for arguments out of range and inputs of other shapes.

    Memory is bounded by some hundred bytes a point, for clouds of any size. Computed in float64.

    Not guaranteed: correct signs (see :func:`~fa_pyg.models.orient_normals`); equivariance where neighbors
    lie on a line or coincide: any axis orthogonal to them is a normal.
    """

    num_classes = None

    def __init__(self, k: int = 20) -> None:
        super().__init__()
        self.k = checks.integer("k", k)

    def forward(self, pos: Tensor, batch: Tensor | None = None) -> Tensor:
        clouds = read_clouds(pos, batch)
        wide = centered(pos.to(working_dtype(pos)), clouds)
        near = knn_table(wide, self.k, clouds.batch)  # bounded memory, unlike with clouds.points
        normal = torch.cat([_smallest_axes(wide, rows) for rows in near.split(CHUNK)])
        inward = (normal * wide).sum(1, keepdim=True) < 0
        return torch.where(inward, -normal, normal).to(pos.dtype)

    def extra_repr(self) -> str:
        return f"k={self.k}"


def _smallest_axes(pos: Tensor, near: Tensor) -> Tensor:
    x = pos[near]
    x = x - x.mean(1, keepdim=True)
    x = x / x.abs().amax((1, 2), keepdim=True).clamp(min=torch.finfo(x.dtype).tiny)  # squares may underflow
    return safe_axes(x.transpose(1, 2) @ x)[..., 0]
