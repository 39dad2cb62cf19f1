"""Graph isomorphism networks, with and without node identifiers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.nn import GINConv

from fa_pyg import checks
from fa_pyg.math.ragged import index_within_body
from fa_pyg.models.graphs.conv_stack import ConvStack
from fa_pyg.models.graphs.readout import checked_batch, widths
from fa_pyg.renamed import renamed

__all__ = ["GIN"]


class GIN(nn.Module):
    r"""Graph isomorphism network: PyG's ``GINConv`` in a :class:`~fa_pyg.models.ConvStack`.

    "How Powerful are Graph Neural Networks?" (Xu et al. 2019); with ``ids`` GIN+ID, the backbone of FA-GIN+ID
    and GA-GIN+ID.

    .. math:: h_i' = a\Big(W \big((1 + \epsilon) h_i + \sum_{j \to i} h_j\big) + b\Big)

    The layers of the published comparison: linear maps, with a trained :math:`\epsilon` that is initialized
    in [0, 1). ``ids=k`` appends the one-hot code of each node's index within its graph to the features.

    Args:
        in_channels: F, number of node features.
        hidden_channels: width of all layers, or a sequence of widths. Published: 64.
        num_layers: number of convolutions; published: 3.
        out_channels: width of the output.
        ids: k, at least the number of nodes of every graph; None for no identifiers.
        **stack: ``act``, ``readout`` and ``head`` of :class:`~fa_pyg.models.ConvStack`.

    Shapes:
        x ``[N, F]``, edge_index ``[2, E]``, batch ``[N]`` (None: one graph), node_id ``[N]`` integers, as
        :class:`~fa_pyg.transforms.NodeID` writes them (default: computed from batch; ignored without
        ``ids``); returns ``[B, out_channels]``.

    Raises:
        ValueError: for a graph of more than k nodes, identifiers outside 0 .. k - 1, and wrong shapes.

    Not guaranteed: invariance to the order of the nodes if ``ids`` is given (use a frame).
    """

    @renamed(hidden="hidden_channels")
    def __init__(
        self,
        in_channels: int,
        hidden_channels: int | Sequence[int],
        num_layers: int,
        out_channels: int,
        ids: int | None = None,
        **stack: Any,
    ) -> None:
        super().__init__()
        checks.size("in_channels", in_channels, 0)
        self.in_channels, self.ids = in_channels, checks.size("ids", ids, optional=True)
        sizes = widths(in_channels + (ids or 0), hidden_channels, num_layers)
        starts = torch.rand(num_layers).tolist()
        convs = (
            GINConv(nn.Linear(a, b), eps, train_eps=True)
            for (a, b), eps in zip(pairwise(sizes), starts, strict=True)
        )
        self.stack = ConvStack(convs, sizes[0], sizes[-1], out_channels, **stack)

    def forward(
        self, x: Tensor, edge_index: Tensor, batch: Tensor | None = None, node_id: Tensor | None = None
    ) -> Tensor:
        batch = checked_batch(x, edge_index, batch, self.in_channels)
        if self.ids is not None:
            x = torch.cat([x, _codes(x, batch, node_id, self.ids)], dim=1)
        return self.stack(x, edge_index, batch)


def _codes(x: Tensor, batch: Tensor, node_id: Tensor | None, count: int) -> Tensor:
    ids = index_within_body(batch, torch.bincount(batch)) if node_id is None else node_id
    if ids.shape != batch.shape or ids.dtype != torch.long:
        raise ValueError(f"node_id: expected int64 [{len(x)}], found {ids.dtype} {list(ids.shape)}")
    if len(x):
        low, high = (int(bound) for bound in torch.aminmax(ids))
        if low < 0 or high >= count:
            expected = f"0 to {count - 1} (ids={count})"
            raise ValueError(f"node_id: expected identifiers from {expected}, found {low} to {high}")
    return x.new_zeros(len(x), count).scatter_(1, ids.unsqueeze(1), 1)
