"""Degree of each node as an additional feature."""

from __future__ import annotations

import torch
from torch_geometric.data import Data
from torch_geometric.data.datapipes import functional_transform
from torch_geometric.transforms import BaseTransform

__all__ = ["NodeDegree"]


@functional_transform("node_degree")
class NodeDegree(BaseTransform):
    r"""Append the degree of each node, the number of edges that leave it, to its features.

    .. math:: x_i \leftarrow [x_i, \deg(i)]

    Shapes:
        ``x [N, F]`` becomes ``[N, F + 1]``, for a Data or a Batch.

    Raises:
        ValueError: if the data has no ``x`` of two axes, or no ``edge_index``.
    """

    def forward(self, data: Data) -> Data:
        x, edge_index = data.get("x"), data.get("edge_index")
        if x is None or edge_index is None or x.dim() != 2:
            found = None if x is None else list(x.shape)
            raise ValueError(f"data: expected x [N, F] and edge_index, found {found} and {edge_index}")
        degree = torch.bincount(edge_index[0], minlength=len(x)).to(x.dtype)
        data.x = torch.cat([x, degree.unsqueeze(1)], dim=1)
        return data
