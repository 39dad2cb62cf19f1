"""Message passing, and the small networks, of Satorras et al. (2021)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from fa_pyg.math.linalg import added, gather, scatter_sum

__all__ = ["MessageLayer", "mlp", "small_map"]


class MessageLayer(nn.Module):
    r"""Messages and residual update of EGNN and of the network that it is compared with.

    Satorras et al. (2021), "E(n) Equivariant Graph Neural Networks".

    .. math:: m_{ij} = \phi_e(h_i, h_j, e_{ij}), \qquad h_i' = h_i + \phi_h\Big(h_i, \sum_j m_{ij}\Big)

    The first map of :math:`\phi_e` is stored whole, so that it is initialized as published, and computed in
    parts, so that the maps of node features run per node and not per edge.

    Args:
        channels: width of node features and messages.
        edge_dim: number of features of an edge.

    Shapes:
        h ``[N, channels]``, edge ``[E, edge_dim]``, source, target ``[E]``.
    """

    def __init__(self, channels: int, edge_dim: int) -> None:
        super().__init__()
        self.edge_in = nn.Linear(2 * channels + edge_dim, channels)
        self.edge_out = nn.Sequential(nn.SiLU(), nn.Linear(channels, channels), nn.SiLU())
        self.node = mlp(2 * channels, channels, channels)

    def messages(self, h: Tensor, edge: Tensor, source: Tensor, target: Tensor) -> Tensor:
        """Return m ``[E, channels]``."""
        parts = [h.size(1), h.size(1), edge.size(1)]
        to_target, from_source, from_edge = self.edge_in.weight.split(parts, dim=1)
        of_target, of_source = gather(linear(h, to_target), target), gather(linear(h, from_source), source)
        return self.edge_out(added(of_target, of_source, linear(edge, from_edge, self.edge_in.bias)))

    def update(self, h: Tensor, messages: Tensor, target: Tensor) -> Tensor:
        """Return h' ``[N, channels]``."""
        return h + self.node(torch.cat([h, scatter_sum(messages, target, len(h))], dim=-1))


def mlp(*widths: int) -> nn.Sequential:
    """Return linear maps with a SiLU between each two."""
    layers = [part for a, b in pairwise(widths) for part in (nn.Linear(a, b), nn.SiLU())]
    return nn.Sequential(*layers[:-1])


def small_map(channels: int) -> nn.Linear:
    """Return a map to one coefficient, without a bias, and so small that positions hardly move at first."""
    last = nn.Linear(channels, 1, bias=False)
    nn.init.xavier_uniform_(last.weight, gain=1e-3)
    return last
