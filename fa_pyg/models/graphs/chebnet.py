"""ChebNet, and the largest eigenvalue of the graph Laplacian that its filters are scaled by."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.data import Batch, Data
from torch_geometric.nn import ChebConv
from torch_geometric.transforms import BaseTransform
from torch_geometric.utils import get_laplacian

from fa_pyg import checks
from fa_pyg.batches import add_slices, graph_count
from fa_pyg.models.graphs.conv_stack import ConvStack
from fa_pyg.models.graphs.dense import dense_batches, in_order
from fa_pyg.models.graphs.readout import check_graphs, checked_batch, widths
from fa_pyg.renamed import renamed

__all__ = ["ChebNet", "LambdaMax", "largest_eigenvalues"]


class ChebNet(nn.Module):
    r"""Chebyshev graph convolutions: PyG's ``ChebConv`` in a :class:`~fa_pyg.models.ConvStack`.

    "Convolutional Neural Networks on Graphs with Fast Localized Spectral Filtering" (Defferrard et al. 2016).

    .. math:: h' = \sum_{k=0}^{K-1} T_k\Big(\frac{2 L}{\lambda_{\max}} - I\Big) h W_k, \qquad
              L = I - D^{-1/2} A D^{-1/2}

    :math:`\lambda_{\max}` is computed for every graph; message passing cannot determine it.

    Args:
        hidden_channels: width of all layers, or a sequence of widths. Published: 32, 64, 64.
        num_layers: number of convolutions; published: 3.
        order: K. Published: 4 to separate graphs, 5 to classify them.
        in_channels, out_channels, stack: as in :class:`~fa_pyg.models.GCN`.

    Shapes:
        As in :class:`~fa_pyg.models.GCN`, edges in both directions; lambda_max ``[B]``, default
        :func:`largest_eigenvalues`.

    Raises:
        ValueError: for arguments out of range, and for wrong shapes.
    """

    @renamed(hidden="hidden_channels")
    def __init__(
        self,
        in_channels: int,
        hidden_channels: int | Sequence[int],
        num_layers: int,
        out_channels: int,
        order: int = 4,
        **stack: Any,
    ) -> None:
        super().__init__()
        sizes = widths(in_channels, hidden_channels, num_layers)
        checks.integer("order", order, 1, checks.DEEP)
        convs = (ChebConv(a, b, order) for a, b in pairwise(sizes))
        self.stack = ConvStack(convs, in_channels, sizes[-1], out_channels, **stack)

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor,
        batch: Tensor | None = None,
        lambda_max: Tensor | None = None,
    ) -> Tensor:
        batch = checked_batch(x, edge_index, batch, self.stack.in_channels)
        largest = largest_eigenvalues(edge_index, batch) if lambda_max is None else lambda_max
        size = graph_count(batch)
        if largest.shape != (size,):
            raise ValueError(
                f"lambda_max: expected [{size}], a number per graph, found {list(largest.shape)}"
            )
        return self.stack(x, edge_index, batch, {"batch": batch, "lambda_max": largest.to(x.dtype)})


@torch.no_grad()
def largest_eigenvalues(edge_index: Tensor, batch: Tensor) -> Tensor:
    """Compute the largest eigenvalue of the normalized Laplacian of each graph, ``[B]``, in float64.

    It is between 1 (no edges) and 2 (bipartite graphs); self-loops do not count.

    Raises:
        ValueError: for wrong shapes.
    """
    check_graphs(edge_index, batch)
    index, weight = get_laplacian(edge_index, None, "sym", torch.float64, len(batch))
    parts = dense_batches(index, batch)
    # Padding adds eigenvalues 0, which are never the largest.
    largest = [torch.linalg.eigvalsh(part.edges(weight))[:, -1] for part in parts]
    return in_order(parts, largest, weight.new_zeros(0))


class LambdaMax(BaseTransform):
    """Store :func:`largest_eigenvalues` in the data; otherwise :class:`ChebNet` computes them in every call.

    Shapes:
        adds ``lambda_max [B]`` (float64), to a Data (one graph) or a Batch.
    """

    def forward(self, data: Data) -> Data:
        edge_index, batch = data["edge_index"], data.get("batch")
        batch = edge_index.new_zeros(data.num_nodes) if batch is None else batch
        data.lambda_max = largest_eigenvalues(edge_index, batch)
        if isinstance(data, Batch) and hasattr(data, "_slice_dict"):
            add_slices(data, {"lambda_max": torch.ones(len(data.lambda_max), dtype=torch.long)})
        return data
