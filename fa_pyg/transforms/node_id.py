"""Node identifiers: the index of each node within its graph."""

from __future__ import annotations

from typing import Any

import torch
from torch_geometric.data import Batch, Data
from torch_geometric.data.datapipes import functional_transform
from torch_geometric.transforms import BaseTransform

from fa_pyg.math.ragged import index_within_body

__all__ = ["NodeID"]


@functional_transform("node_id")
class NodeID(BaseTransform):
    """Store the index of each node within its graph, 0 .. n - 1, as ``node_id``.

    .. code-block:: python

        data = NodeID()(data)
        model(data.x, data.edge_index, data.batch, node_id=data.node_id)    # a GIN with ids

    Identifiers belong to *positions*: they stay when nodes are permuted, so that a model that reads them is
    not invariant to the order of nodes unless it is framed.

    Shapes:
        adds ``node_id [N]`` (int64), for a Data (one graph, or with ``batch``, in any order) or a Batch.

    Raises:
        ValueError: if the data has neither ``num_nodes`` nor a tensor of nodes.
    """

    def forward(self, data: Data) -> Data:
        if not isinstance(data, Data):
            raise ValueError(f"data: expected a Data or Batch, found a {type(data).__name__}")
        batch = data.get("batch")
        if batch is not None:
            data.node_id = index_within_body(batch, torch.bincount(batch))
        elif data.num_nodes is None:
            raise ValueError("data: expected nodes (x, or num_nodes), found none")
        else:
            like = data.get("edge_index", data.get("x"))
            data.node_id = torch.arange(data.num_nodes, device=None if like is None else like.device)
        if isinstance(data, Batch) and hasattr(data, "_slice_dict"):
            self._add_slices(data)
        return data

    @staticmethod
    def _add_slices(data: Any) -> None:
        """Add slices of the identifiers to a collated batch, so that PyG can separate it."""
        ptr = data.ptr.cpu()
        # New dicts: a copied batch shares them with the original.
        data._slice_dict = {**data._slice_dict, "node_id": ptr}
        data._inc_dict = {**data._inc_dict, "node_id": torch.zeros_like(ptr[1:])}
