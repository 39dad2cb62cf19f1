"""Message-passing network on absolute coordinates of particles: a baseline without symmetry."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fa_pyg import checks
from fa_pyg.models.particles.edges import check_system, read_edges
from fa_pyg.models.particles.messages import MessageLayer, mlp
from fa_pyg.typed import Modules

__all__ = ["MPNN"]


class MPNN(nn.Module):
    r"""Message-passing network on absolute coordinates, the baseline *GNN* of Satorras et al. (2021).

    "E(n) Equivariant Graph Neural Networks"; message passing by Gilmer et al. (2017). Equivariant to the
    order of the particles, but neither to rotations nor to translations. :class:`~fa_pyg.models.GNN` is the
    network to use in frames.

    .. math:: m_{ij} = \phi_e(h_i, h_j, q_i q_j), \qquad
              h_i \leftarrow h_i + \phi_h\Big(h_i, \sum_j m_{ij}\Big), \qquad y_i = \phi_x(h_i)

    where h starts as a linear map of position and velocity, and y is the predicted position itself.

    Args:
        hidden_channels: width of node features, messages and hidden layers; published: 64.
        num_layers: number of message-passing layers; published: 4.
        dim: dimension of space.
        edge_dim: number of features in ``edge_attr``; published: 1, the product of charges.

    Shapes:
        pos, vel ``[N, dim]``, edge_index ``[2, E]`` from source to target, edge_attr ``[E, edge_dim]``;
        returns positions ``[N, dim]``. ``charge`` and ``batch`` are ignored: all models of the benchmark have
        the same signature.

    Raises:
        ValueError: for arguments out of range, missing edges, and another number of edge features.
    """

    def __init__(
        self, hidden_channels: int = 64, num_layers: int = 4, dim: int = 3, edge_dim: int = 1
    ) -> None:
        super().__init__()
        checks.size("hidden_channels", hidden_channels)
        checks.integer("num_layers", num_layers, 0, checks.DEEP)
        checks.size("dim", dim)
        self.edge_dim = checks.size("edge_dim", edge_dim, 0)
        self.embed = nn.Linear(2 * dim, hidden_channels)
        layers = (MessageLayer(hidden_channels, edge_dim) for _ in range(num_layers))
        self.layers: Modules[MessageLayer] = Modules(layers)
        self.position = mlp(hidden_channels, hidden_channels, dim)

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
        source, target, edge = read_edges(edge_index, edge_attr, self.edge_dim)
        h = self.embed(torch.cat([pos, vel], dim=-1))
        for layer in self.layers:
            h = layer.update(h, layer.messages(h, edge, source, target), target)
        return self.position(h)
