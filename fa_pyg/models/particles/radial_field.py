"""Radial field network for n-body systems."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fa_pyg import checks
from fa_pyg.math.linalg import mean
from fa_pyg.models.particles.edges import check_system, displacements, read_edges
from fa_pyg.models.particles.messages import mlp, small_map
from fa_pyg.typed import Modules

__all__ = ["RadialField"]


class RadialField(nn.Module):
    r"""Radial field network for particle systems (Köhler et al. 2019), with the velocities of Satorras et al.

    "Equivariant Flows: sampling configurations for multi-body systems with symmetric energies", as the
    baseline *Radial Field* of "E(n) Equivariant Graph Neural Networks" (2021). Positions are its only state.
    Equivariant to E(d), for every d, and to the order of the particles. In every layer

    .. math:: x_i \leftarrow x_i + \frac{1}{n_i} \sum_j (x_i - x_j)\,
              \tanh\phi\big(|x_i - x_j|, q_i q_j, |x_i^0 - x_j^0|^2\big) + v_i\, \phi_v(|v_i|)

    where :math:`x^0` are the positions of the call and :math:`n_i` is the number of edges to i. Velocities
    are never updated.

    Args:
        hidden_channels: width of hidden layers; published: 64.
        num_layers: number of layers; published: 4.
        edge_dim: number of features in ``edge_attr``; published: 1, the product of charges.

    Shapes:
        pos, vel ``[N, d]``, edge_index ``[2, E]`` from source to target, edge_attr ``[E, edge_dim]``; returns
        positions ``[N, d]``. ``charge`` and ``batch`` are ignored: all models of the benchmark have the same
        signature.

    Raises:
        ValueError: for arguments out of range, missing edges, and another number of edge features.
    """

    def __init__(self, hidden_channels: int = 64, num_layers: int = 4, edge_dim: int = 1) -> None:
        super().__init__()
        checks.size("hidden_channels", hidden_channels)
        checks.integer("num_layers", num_layers, 1, checks.DEEP)
        self.edge_dim = checks.size("edge_dim", edge_dim, 0)
        layers = (_RadialLayer(hidden_channels, edge_dim + 2) for _ in range(num_layers))
        self.layers: Modules[_RadialLayer] = Modules(layers)

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
        edge, speed = torch.cat([features, initial], dim=-1), vel.norm(dim=-1, keepdim=True)
        for layer in self.layers:
            r = displacements(pos, source, target)
            pos = pos + mean(layer.shift(r, edge), target, len(pos)) + layer.speed(speed) * vel
        return pos


class _RadialLayer(nn.Module):
    def __init__(self, channels: int, edge_dim: int) -> None:
        super().__init__()
        self.radial = nn.Sequential(nn.Linear(edge_dim, channels), nn.SiLU(), small_map(channels), nn.Tanh())
        self.speed = mlp(1, channels, 1)

    def shift(self, r: Tensor, edge: Tensor) -> Tensor:
        """Return the summands of the positions ``[E, d]``."""
        # The derivative of this norm is 0 where two particles meet.
        return r * self.radial(torch.cat([r.norm(dim=-1, keepdim=True), edge], dim=-1))
