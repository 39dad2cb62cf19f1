"""Message-passing baselines with the layers of PyG: GCN and GAT; ChebNet is in a file of its own."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from torch import Tensor, nn
from torch_geometric.nn import GATConv, GCNConv

from fa_pyg import checks
from fa_pyg.models.graphs.chebnet import ChebNet, largest_eigenvalues  # saved configurations name them here
from fa_pyg.models.graphs.conv_stack import ConvStack
from fa_pyg.models.graphs.readout import widths
from fa_pyg.renamed import renamed

__all__ = ["GAT", "GCN", "ChebNet", "ConvStack", "largest_eigenvalues"]


class GCN(nn.Module):
    """Graph convolutional network: PyG's ``GCNConv``, which adds missing self-loops, in a :class:`ConvStack`.

    "Semi-Supervised Classification with Graph Convolutional Networks" (Kipf and Welling 2017). Invariant to
    the order of the nodes. PyG's ``GCN`` returns node features; this one has a readout.

    Args:
        in_channels: F, number of node features.
        hidden_channels: width of all layers, or a sequence of widths. Published: 64.
        num_layers: number of convolutions; published: 3.
        out_channels: width of the output.
        **stack: ``act``, ``readout`` and ``head`` of :class:`ConvStack`.

    Shapes:
        x ``[N, F]``, edge_index ``[2, E]``, batch ``[N]`` (None: one graph); returns ``[B, out_channels]``.

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
        **stack: Any,
    ) -> None:
        super().__init__()
        sizes = widths(in_channels, hidden_channels, num_layers)
        convs = (GCNConv(a, b) for a, b in pairwise(sizes))
        self.stack = ConvStack(convs, in_channels, sizes[-1], out_channels, **stack)

    def forward(self, x: Tensor, edge_index: Tensor, batch: Tensor | None = None) -> Tensor:
        return self.stack(x, edge_index, batch)


class GAT(nn.Module):
    """Graph attention network: PyG's ``GATConv`` in a :class:`ConvStack`.

    "Graph Attention Networks" (Veličković et al. 2018). Of a graph whose nodes all have the same features it
    sees the number of nodes only.

    Args:
        hidden_channels: width of all layers, with all heads, or a sequence of widths. Published: 128.
        num_layers: number of convolutions; published: 3.
        heads: number of attention heads; published: 8, of 16 channels.
        in_channels, out_channels, stack: as in :class:`GCN`.

    Shapes: as in :class:`GCN`.

    Raises:
        ValueError: for a width that is not a multiple of ``heads``, arguments out of range, wrong shapes.
    """

    @renamed(hidden="hidden_channels")
    def __init__(
        self,
        in_channels: int,
        hidden_channels: int | Sequence[int],
        num_layers: int,
        out_channels: int,
        heads: int = 8,
        **stack: Any,
    ) -> None:
        super().__init__()
        sizes = widths(in_channels, hidden_channels, num_layers)
        checks.size("heads", heads)
        if any(width % heads for width in sizes[1:]):
            checks.refuse("hidden_channels", f"multiples of heads = {heads}", hidden_channels)
        convs = (GATConv(a, b // heads, heads=heads) for a, b in pairwise(sizes))
        self.stack = ConvStack(convs, in_channels, sizes[-1], out_channels, **stack)

    def forward(self, x: Tensor, edge_index: Tensor, batch: Tensor | None = None) -> Tensor:
        return self.stack(x, edge_index, batch)
