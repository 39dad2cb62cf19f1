"""Message-passing baselines with the layers of PyG: GCN, GAT and ChebNet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.nn import ChebConv, GATConv, GCNConv
from torch_geometric.utils import get_laplacian

from fa_pyg import checks
from fa_pyg.models.graphs.dense import dense_batches, in_order
from fa_pyg.models.graphs.readout import Activation, Readout, check_graphs, checked_batch, widths

__all__ = ["GAT", "GCN", "ChebNet", "ConvStack", "largest_eigenvalues"]


class ConvStack(nn.Module):
    r"""Convolutions with an activation after each, then the sum or mean of the nodes and a head.

    .. math:: h^{(l+1)} = a(\mathrm{conv}_l(h^{(l)}, G)), \qquad
              y = \mathrm{head}\Big(\sum_{i \in G} h_i^{(L)}\Big)

    The architecture of the comparison in "Breaking the Limits of Message Passing Graph Neural Networks"
    (Balcilar et al. 2021), which has 3 layers: to separate graphs ``act=torch.tanh, readout="sum"`` and the
    tanh of 10 outputs; to classify them ``act=torch.relu, readout="mean", head=10`` and 1 output. There the
    node's degree is one more feature.

    Args:
        convs: modules called ``conv(h, edge_index, **arguments)``.
        in_channels: F, node features.
        width: of what the last returns.
        out_channels: of the output.
        act: a.
        readout: ``"sum"`` or ``"mean"``.
        head: hidden width of the head; default None: it is one linear map.

    Shapes:
        x ``[N, F]``, edge_index ``[2, E]``, batch ``[N]`` (None: one graph), ``arguments`` of the
        convolutions by name; returns ``[B, out_channels]``.
    """

    def __init__(
        self,
        convs: Iterable[nn.Module],
        in_channels: int,
        width: int,
        out_channels: int,
        act: Activation = nn.functional.relu,
        readout: str = "sum",
        head: int | None = None,
    ) -> None:
        super().__init__()
        self.in_channels, self.act = checks.size("in_channels", in_channels, 0), checks.function("act", act)
        convs = list(checks.instance("convs", convs, Iterable, "modules"))
        for conv in convs:
            checks.instance("convs", conv, nn.Module, "modules")
        self.convs = nn.ModuleList(convs)
        self.readout = Readout(width, out_channels, readout, head, act)

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor,
        batch: Tensor | None = None,
        arguments: Mapping[str, Any] | None = None,
    ) -> Tensor:
        batch = checked_batch(x, edge_index, batch, self.in_channels)
        for conv in self.convs:
            x = self.act(conv(x, edge_index, **(arguments or {})))
        return self.readout(x, batch)


class GCN(nn.Module):
    """Graph convolutions of "Semi-Supervised Classification with Graph Convolutional Networks" (Kipf and
    Welling 2017): PyG's ``GCNConv``, which adds the self-loops that are missing, in a :class:`ConvStack`.

    Args:
        in_channels: F, node features.
        hidden: width of the layers, or one width each. Published: 64.
        num_layers: published: 3.
        out_channels: of the output.
        **stack: ``act``, ``readout`` and ``head`` of :class:`ConvStack`.

    Shapes:
        x ``[N, F]``, edge_index ``[2, E]``, batch ``[N]`` (None: one graph); returns ``[B, out_channels]``.
        Invariant to the order of the nodes.
    """

    def __init__(
        self, in_channels: int, hidden: int | Sequence[int], num_layers: int, out_channels: int, **stack: Any
    ) -> None:
        super().__init__()
        sizes = widths(in_channels, hidden, num_layers)
        convs = (GCNConv(a, b) for a, b in pairwise(sizes))
        self.stack = ConvStack(convs, in_channels, sizes[-1], out_channels, **stack)

    def forward(self, x: Tensor, edge_index: Tensor, batch: Tensor | None = None) -> Tensor:
        return self.stack(x, edge_index, batch)


class GAT(nn.Module):
    """Attention of "Graph Attention Networks" (Veličković et al. 2018): PyG's ``GATConv`` in a
    :class:`ConvStack`. Where all nodes of a graph have the same features, all it sees is their number.

    Args:
        hidden: width of the layers, all heads together, or one width each. Published: 128.
        num_layers: published: 3.
        heads: published: 8, of 16 numbers each.
        in_channels, out_channels, **stack: as in :class:`GCN`.

    Shapes: those of :class:`GCN`.

    Raises:
        ValueError: for a width that is no multiple of ``heads``.
    """

    def __init__(
        self,
        in_channels: int,
        hidden: int | Sequence[int],
        num_layers: int,
        out_channels: int,
        heads: int = 8,
        **stack: Any,
    ) -> None:
        super().__init__()
        sizes = widths(in_channels, hidden, num_layers)
        checks.size("heads", heads)
        if any(width % heads for width in sizes[1:]):
            raise ValueError(f"hidden: expected multiples of heads = {heads}, found {hidden}")
        convs = (GATConv(a, b // heads, heads=heads) for a, b in pairwise(sizes))
        self.stack = ConvStack(convs, in_channels, sizes[-1], out_channels, **stack)

    def forward(self, x: Tensor, edge_index: Tensor, batch: Tensor | None = None) -> Tensor:
        return self.stack(x, edge_index, batch)


class ChebNet(nn.Module):
    r"""Chebyshev filters of "Convolutional Neural Networks on Graphs with Fast Localized Spectral Filtering"
    (Defferrard et al. 2016): PyG's ``ChebConv`` in a :class:`ConvStack`.

    .. math:: h' = \sum_{k=0}^{K-1} T_k\Big(\frac{2 L}{\lambda_{\max}} - I\Big) h W_k, \qquad
              L = I - D^{-1/2} A D^{-1/2}

    With each graph's own :math:`\lambda_{\max}`, which message passing cannot know.

    Args:
        hidden: width of the layers, or one width each. Published: 32, 64, 64.
        num_layers: published: 3.
        order: K. Published: 4 to separate graphs, 5 to classify them.
        in_channels, out_channels, **stack: as in :class:`GCN`.

    Shapes:
        those of :class:`GCN`; lambda_max ``[B]``, by :func:`largest_eigenvalues`, which computes it where it
        is not given. Edges must go both ways.
    """

    def __init__(
        self,
        in_channels: int,
        hidden: int | Sequence[int],
        num_layers: int,
        out_channels: int,
        order: int = 4,
        **stack: Any,
    ) -> None:
        super().__init__()
        sizes = widths(in_channels, hidden, num_layers)
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
        size = int(batch.max()) + 1 if len(batch) else 0
        if largest.shape != (size,):
            raise ValueError(f"lambda_max: expected {size} numbers, one a graph, found {list(largest.shape)}")
        return self.stack(x, edge_index, batch, {"batch": batch, "lambda_max": largest.to(x.dtype)})


@torch.no_grad()
def largest_eigenvalues(edge_index: Tensor, batch: Tensor) -> Tensor:
    """Returns the largest eigenvalue of each graph's normalised Laplacian ``[B]``, in float64.

    It is between 1 (no edges) and 2 (bipartite); self-loops do not count. Computed once, it can be kept with
    the data as ``lambda_max``.
    """
    check_graphs(edge_index, batch)
    index, weight = get_laplacian(edge_index, None, "sym", torch.float64, len(batch))
    parts = dense_batches(index, batch)
    # A place without a node adds the eigenvalue 0, which is not the largest.
    largest = [torch.linalg.eigvalsh(part.edges(weight))[:, -1] for part in parts]
    return in_order(parts, largest, weight.new_zeros(0))
