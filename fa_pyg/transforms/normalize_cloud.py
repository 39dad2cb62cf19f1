"""Point clouds of the same center and size."""

from __future__ import annotations

import torch
from torch_geometric.data import Data
from torch_geometric.data.datapipes import functional_transform
from torch_geometric.transforms import BaseTransform

from fa_pyg.batches import check_batch, graph_count
from fa_pyg.math.linalg import check_real, gather, mean, working_dtype

__all__ = ["NormalizeCloud"]

NOISE = 8  # roundings: clouds that are not larger are single points


@functional_transform("normalize_cloud")
class NormalizeCloud(BaseTransform):
    r"""Center each cloud, and divide it by the root mean square distance from its center.

    .. math:: x_i \leftarrow \frac{x_i - \bar x}{\sigma}, \qquad
              \sigma^2 = \frac{1}{n} \sum_i |x_i - \bar x|^2

    Puny et al. (2022) divide by the standard deviation of the distances instead, which is 0 on a sphere.
    Normals and all else stay as they are. Commutes with rotations and permutations; invariant to translation
    and scale.

    Shapes:
        ``pos [N, 3]`` (or of any dimension), of a Data or a Batch.

    Raises:
        ValueError: for data without ``pos [N, d]``.

    Coincident points are only centered.
    """

    def forward(self, data: Data) -> Data:
        pos, batch = data.get("pos"), data.get("batch")
        check_real("pos", pos, "floating point [N, d]")
        if pos.dim() != 2:
            raise ValueError(f"pos: expected [N, d], found {list(pos.shape)}")
        check_batch(batch)
        size = 1 if batch is None else graph_count(batch)
        wide = pos.to(working_dtype(pos))
        centered = wide - gather(mean(wide, batch, size), batch)
        scale, magnitude = (
            mean(x.square().sum(1, keepdim=True), batch, size).sqrt() for x in (centered, wide)
        )
        scale = scale.masked_fill(scale <= NOISE * torch.finfo(wide.dtype).eps * magnitude, 1)
        data.pos = (centered / gather(scale, batch)).to(pos.dtype)
        return data
