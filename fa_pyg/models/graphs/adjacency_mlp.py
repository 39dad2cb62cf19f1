"""Multilayer perceptron on the adjacency matrix: the simplest model that sees everything of a graph."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from fa_pyg import checks
from fa_pyg.models.graphs.dense import dense_batches
from fa_pyg.models.graphs.readout import Activation, checked_batch, widths
from fa_pyg.renamed import renamed
from fa_pyg.typed import Modules

__all__ = ["AdjacencyMLP"]


class AdjacencyMLP(nn.Module):
    r"""MLP on the adjacency matrix and all node features; *not* invariant to the order of the nodes.

    The backbone of FA-MLP and GA-MLP in "Frame Averaging for Invariant and Equivariant Network Design" (Puny
    et al. 2022), to be used in frames.

    .. math:: y = W a(\dots a(W_1 [\mathrm{vec} A, \mathrm{vec} X])), \qquad
              A_{ij} = \sum_{e: i \to j} w_e, \qquad w_e = 1 \text{ by default}

    Adjacency matrix and features are padded with zeros to ``max_nodes`` nodes.

    Args:
        in_channels: F, number of node features used; 0 to use none.
        max_nodes: largest number of nodes of a graph.
        hidden_channels: width of all hidden layers, or a sequence of widths. Published: 128, 64 for graphs of
            8 nodes (with F = 0); 2048, 4096, 2048 for those of EXP (``max_nodes=64``).
        num_layers: number of hidden layers, before the linear output layer.
        out_channels: width of the output.
        act: a. Published: tanh to separate graphs, relu to classify them.

    Shapes:
        x ``[N, F]``, edge_index ``[2, E]``, batch ``[N]`` (None: one graph), edge_weight ``[E]``; returns
        ``[B, out_channels]``.

    Raises:
        ValueError: for a graph of more than ``max_nodes`` nodes, and for wrong shapes.

    Not guaranteed: to distinguish an isolated node with features 0 from padding.
    """

    @renamed(hidden="hidden_channels")
    def __init__(
        self,
        in_channels: int,
        max_nodes: int,
        hidden_channels: int | Sequence[int],
        num_layers: int,
        out_channels: int,
        act: Activation = nn.functional.relu,
    ) -> None:
        super().__init__()
        checks.size("max_nodes", max_nodes)
        checks.size("in_channels", in_channels, 0)
        checks.size("out_channels", out_channels)
        checks.function("act", act)
        self.in_channels, self.max_nodes, self.act = in_channels, max_nodes, act
        inputs = max_nodes * (max_nodes + in_channels)
        sizes = [*widths(inputs, hidden_channels, num_layers), out_channels]
        self.layers: Modules[nn.Linear] = Modules(nn.Linear(a, b) for a, b in pairwise(sizes))

    def forward(
        self, x: Tensor, edge_index: Tensor, batch: Tensor | None = None, edge_weight: Tensor | None = None
    ) -> Tensor:
        batch = checked_batch(x, edge_index, batch, self.in_channels)
        weight = x.new_ones(edge_index.size(1)) if edge_weight is None else edge_weight.to(x.dtype)
        if weight.shape != edge_index.shape[1:]:
            raise ValueError(f"edge_weight: expected [{edge_index.size(1)}], found {list(weight.shape)}")
        features = x[:, : self.in_channels]
        h = x.new_zeros(0, self.layers[0].in_features)
        for graphs in dense_batches(edge_index, batch, self.max_nodes):  # a single part: all graphs, in order
            h = torch.cat([graphs.edges(weight).flatten(1), graphs.nodes(features).flatten(1)], 1)
        for layer in list(self.layers)[:-1]:
            h = self.act(layer(h))
        return self.layers[-1](h)
