"""Edge convolution: maps of differences of features of neighbors, pooled."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import linear

from fa_pyg.models.points.clouds import Clouds
from fa_pyg.models.points.heads import mlp
from fa_pyg.neighbors.table import knn_table

__all__ = ["EdgeConv"]


class EdgeConv(nn.Module):
    r"""Edge convolution on nearest neighbors in the space of the features (Wang et al. 2019, "DGCNN").

    .. math:: h_i' = \max_{j \in N_k(h_i)} \phi\big(W_1 (h_j - h_i) + W_2 h_i\big)

    with batch norm over all edges. The first map is stored whole, so that it is initialized as published, and
    computed as :math:`W_1 h_j + (W_2 - W_1) h_i`, per node and not per edge.

    Args:
        k: number of neighbors, counting the point itself; in clouds of fewer points neighbors are repeated,
            from the nearest on.
        act: the activation, after each map.
        pool: ``"max"`` or ``"mean"``.
        channels: number of features, of h and then of each layer.

    Shapes:
        h ``[N, channels[0]]``, near ``[N, k]`` (default: found in the space of h); returns
        ``[N, channels[-1]]``.
    """

    def __init__(self, k: int, act: nn.Module, pool: str, *channels: int) -> None:
        super().__init__()
        self.k, self.pool = k, pool
        self.first = nn.Linear(2 * channels[0], channels[1], bias=False)
        self.rest = mlp(act, *channels)[1:]  # all but its first map

    def near(self, h: Tensor, clouds: Clouds) -> Tensor:
        """Return the neighbors of each node, ``[N, k]``."""
        return knn_table(h, self.k, clouds.batch, clouds.points, ordered=False)

    def forward(self, h: Tensor, clouds: Clouds, near: Tensor | None = None) -> Tensor:
        near = self.near(h, clouds) if near is None else near
        of_difference, of_node = self.first.weight.chunk(2, dim=1)
        from_near = linear(h, of_difference).index_select(0, near.flatten())
        to_node = linear(h, of_node - of_difference)
        edge = from_near.unflatten(0, near.shape) + to_node.unsqueeze(1)
        edge = self.rest(edge.flatten(0, 1)).unflatten(0, near.shape)
        return edge.amax(dim=1) if self.pool == "max" else edge.mean(dim=1)
