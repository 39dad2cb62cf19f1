"""Items of PyG's PCPNet data set as clouds like all others."""

from __future__ import annotations

import torch
from torch.nn.functional import normalize
from torch_geometric.data import Data
from torch_geometric.transforms import BaseTransform

from fa_pyg import checks
from fa_pyg.cad import SURFACES

__all__ = ["PCPNetToCloud"]


class PCPNetToCloud(BaseTransform):
    """Some points of an item of :class:`torch_geometric.datasets.PCPNetDataset`, in the form of all clouds.

    Its items have 100 000 points ``pos``, with normals and two principal curvatures in ``x``::

        PCPNetDataset(root, "NoNoise", "train", transform=Compose([PCPNetToCloud(512), NormalizeCloud()]))

    Args:
        num_points: how many; None: all.
        fresh: draw others at each access (by the global generator of torch); False: points at equal steps.
        listed: only those of ``test_idx``, the 5000 points on which published errors are measured.

    Shapes: ``pos [n, 3]``, ``normal [n, 3]`` (unit), ``curvature [n, 2]``, ``surface [n]`` (all ``"other"``),
    ``y [1]`` (0).

    Raises:
        ValueError: for arguments out of range, and items of another form or with fewer points.
    """

    def __init__(self, num_points: int | None = 512, fresh: bool = True, listed: bool = False) -> None:
        self.num_points = checks.integer("num_points", num_points, optional=True)
        self.fresh, self.listed = checks.flag("fresh", fresh), checks.flag("listed", listed)

    def forward(self, data: Data) -> Data:
        pos, x, listed = data.get("pos"), data.get("x"), data.get("test_idx")
        if pos is None or x is None or x.dim() != 2 or x.size(1) != 5 or (self.listed and listed is None):
            raise ValueError(
                f"data: expected an item of PCPNetDataset, pos, x [N, 5] and test_idx, found {data}"
            )
        among = listed.view(-1) if self.listed else torch.arange(len(pos))
        count = len(among) if self.num_points is None else self.num_points
        if count > len(among):
            raise ValueError(
                f"num_points: expected at most {len(among)}, the points of an item, found {count}"
            )
        step = torch.randperm(len(among))[:count] if self.fresh else torch.arange(count) * len(among) // count
        these = among[step]
        return Data(
            pos=pos[these],
            normal=normalize(x[these, :3], dim=1),
            curvature=x[these, 3:],
            surface=torch.full((count,), SURFACES.index("other")),
            y=torch.zeros(1, dtype=torch.long),
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.num_points}, fresh={self.fresh}, listed={self.listed})"
