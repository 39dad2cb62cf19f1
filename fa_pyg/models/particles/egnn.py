"""EGNN for n-body systems."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fa_pyg import checks
from fa_pyg.math.linalg import mean
from fa_pyg.models.particles.edges import check_system, displacements, read_edges
from fa_pyg.models.particles.messages import MessageLayer, mlp, small_map
from fa_pyg.typed import Modules

__all__ = ["EGNN"]


class EGNN(nn.Module):
    r"""E(n)-equivariant graph neural network for particle systems (Satorras et al. 2021), with velocities.

    "E(n) Equivariant Graph Neural Networks", in the form of its n-body experiment. Equivariant to E(d), for
    every d, and to the order of the particles. In every layer

    .. math:: m_{ij} &= \phi_e\big(h_i, h_j, |x_i - x_j|^2, q_i q_j, |x_i^0 - x_j^0|^2\big), \\
              x_i &\leftarrow x_i + \frac{1}{n_i} \sum_j (x_i - x_j)\, \phi_x(m_{ij}) + v_i\, \phi_v(h_i), \\
              h_i &\leftarrow h_i + \phi_h\Big(h_i, \sum_j m_{ij}\Big)

    where h starts as a linear map of :math:`|v_i|`, :math:`x^0` are the positions of the call and :math:`n_i`
    is the number of edges to i. Velocities are never updated.

    Args:
        hidden_channels: width of node features, messages and hidden layers; published: 64.
        num_layers: number of layers; published: 4.
        edge_dim: number of features in ``edge_attr``; published: 1, the product of charges.

    Shapes:
        pos, vel ``[N, d]``, edge_index ``[2, E]`` from source to target, edge_attr ``[E, edge_dim]``; returns
        positions ``[N, d]``. ``charge`` and ``batch`` are ignored: all models of the benchmark have the same
        signature.

    Raises:
        ValueError: for arguments out of range, missing edges, and another number of edge features.

    Not guaranteed: a gradient of every parameter. Nothing depends on the last layer's :math:`\phi_h`, which
    exists as published but is not computed. Unlike here, the released code clips the components of the
    summands :math:`(x_i - x_j)\, \phi_x` to [-100, 100], as a safeguard that is not equivariant.
    """

    def __init__(self, hidden_channels: int = 64, num_layers: int = 4, edge_dim: int = 1) -> None:
        super().__init__()
        checks.size("hidden_channels", hidden_channels)
        checks.integer("num_layers", num_layers, 1, checks.DEEP)
        self.edge_dim = checks.size("edge_dim", edge_dim, 0)
        self.embed = nn.Linear(1, hidden_channels)
        layers = (_EGNNLayer(hidden_channels, edge_dim + 2) for _ in range(num_layers))
        self.layers: Modules[_EGNNLayer] = Modules(layers)

    def forward(
        self,
        pos: Tensor,
        vel: Tensor,
        charge: Tensor | None = None,
        edge_index: Tensor | None = None,
        edge_attr: Tensor | None = None,
        batch: Tensor | None = None,
    ) -> Tensor:
        check_system(pos, vel, edge_index)
        source, target, features = read_edges(edge_index, edge_attr, self.edge_dim)
        initial = displacements(pos, source, target).square().sum(-1, keepdim=True)
        edge = torch.cat([features, initial], dim=-1)
        h = self.embed(vel.norm(dim=-1, keepdim=True))
        *layers, last = self.layers
        for layer in layers:
            messages, pos = layer(h, pos, vel, edge, source, target)
            h = layer.conv.update(h, messages, target)
        return last(h, pos, vel, edge, source, target)[1]


class _EGNNLayer(nn.Module):
    """Messages ``[E, channels]`` and new positions ``[N, d]``."""

    def __init__(self, channels: int, edge_dim: int) -> None:
        super().__init__()
        self.conv = MessageLayer(channels, edge_dim)
        self.shift = nn.Sequential(nn.Linear(channels, channels), nn.SiLU(), small_map(channels))
        self.speed = mlp(channels, channels, 1)

    def forward(
        self, h: Tensor, x: Tensor, vel: Tensor, edge: Tensor, source: Tensor, target: Tensor
    ) -> tuple[Tensor, Tensor]:
        r = displacements(x, source, target)
        edge = torch.cat([r.square().sum(-1, keepdim=True), edge], dim=-1)
        messages = self.conv.messages(h, edge, source, target)
        return messages, x + mean(r * self.shift(messages), target, len(x)) + self.speed(h) * vel
