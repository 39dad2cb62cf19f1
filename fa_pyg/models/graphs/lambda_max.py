"""The largest eigenvalue of each graph's Laplacian, kept with the data."""

from __future__ import annotations

import torch
from torch_geometric.data import Batch, Data
from torch_geometric.transforms import BaseTransform

from fa_pyg.models.graphs.baselines import largest_eigenvalues

__all__ = ["LambdaMax"]


class LambdaMax(BaseTransform):
    """Keeps the eigenvalues of :func:`~fa_pyg.models.largest_eigenvalues` with the data, for
    :class:`~fa_pyg.models.ChebNet`, which otherwise computes them in every call.

    Shapes:
        adds ``lambda_max [B]`` (float64), for a Data (one graph) or a Batch.
    """

    def forward(self, data: Data) -> Data:
        batch = data.get("batch")
        batch = data.edge_index.new_zeros(data.num_nodes) if batch is None else batch
        data.lambda_max = largest_eigenvalues(data.edge_index, batch)
        if isinstance(data, Batch) and hasattr(data, "_slice_dict"):
            graphs = torch.arange(len(data.lambda_max) + 1)
            # New dicts: a copied batch shares them with the one that it was copied from.
            data._slice_dict = {**data._slice_dict, "lambda_max": graphs}
            data._inc_dict = {**data._inc_dict, "lambda_max": torch.zeros_like(graphs[1:])}
        return data
