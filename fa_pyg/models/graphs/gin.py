"""Graph isomorphism networks, bare and with node identifiers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.nn import GINConv

from fa_pyg import checks
from fa_pyg.math.ragged import index_within_body
from fa_pyg.models.graphs.baselines import ConvStack
from fa_pyg.models.graphs.readout import checked_batch, widths

__all__ = ["GIN"]


class GIN(nn.Module):
    r"""The network of "How Powerful are Graph Neural Networks?" (Xu et al. 2019): PyG's ``GINConv`` in a
    :class:`~fa_pyg.models.ConvStack`; with ``ids`` GIN+ID, the backbone of FA-GIN+ID and GA-GIN+ID.

    .. math:: h_i' = a\Big(W \big((1 + \epsilon) h_i + \sum_{j \to i} h_j\big) + b\Big)

    The layers of the published comparison: one linear map each, with :math:`\epsilon` trained from a start
    drawn in [0, 1). With ``ids=k`` the features of a node get the one-hot code of its place in its graph.

    Args:
        in_channels: F, node features.
        hidden: width of the layers, or one width each. Published: 64.
        num_layers: published: 3.
        out_channels: of the output.
        ids: k, at least the nodes of every graph; default None: no identifiers.
        **stack: ``act``, ``readout`` and ``head`` of :class:`~fa_pyg.models.ConvStack`.

    Shapes:
        x ``[N, F]``, edge_index ``[2, E]``, batch ``[N]`` (None: one graph), node_id ``[N]`` integers, as
        :class:`~fa_pyg.transforms.NodeID` writes them (default: computed from batch; without ``ids`` not
        used); returns ``[B, out_channels]``.

    Raises:
        ValueError: for a graph of more than k nodes, or an identifier outside 0 .. k - 1; for wrong shapes.

    Not guaranteed: with ``ids`` it is *not* invariant to the order of the nodes (frame it); without, it is.
    """

    def __init__(
        self,
        in_channels: int,
        hidden: int | Sequence[int],
        num_layers: int,
        out_channels: int,
        ids: int | None = None,
        **stack: Any,
    ) -> None:
        super().__init__()
        checks.size("in_channels", in_channels, 0)
        self.in_channels, self.ids = in_channels, checks.size("ids", ids, optional=True)
        sizes = widths(in_channels + (ids or 0), hidden, num_layers)
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
            x = torch.cat([x, self._codes(x, batch, node_id)], dim=1)
        return self.stack(x, edge_index, batch)

    def _codes(self, x: Tensor, batch: Tensor, node_id: Tensor | None) -> Tensor:
        place = index_within_body(batch, torch.bincount(batch)) if node_id is None else node_id
        if place.shape != batch.shape or place.dtype != torch.long:
            found = f"{place.dtype} {list(place.shape)}"
            raise ValueError(f"node_id: expected {len(x)} integers (int64), found {found}")
        if len(x):
            low, high = (int(bound) for bound in torch.aminmax(place))
            if low < 0 or high >= self.ids:
                raise ValueError(
                    f"node_id: expected places from 0 to {self.ids - 1} (ids = {self.ids}), "
                    f"found {low} to {high}"
                )
        return x.new_zeros(len(x), self.ids).scatter_(1, place.unsqueeze(1), 1)
