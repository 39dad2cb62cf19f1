"""A plain message-passing network on coordinates: the model to be framed."""

import torch
from torch import Tensor, nn

from fa_pyg import checks
from fa_pyg.math.linalg import gather, mean, scatter_sum

NEAR = 1e-6  # squared distance that keeps 1 / r finite where two particles meet


class GNN(nn.Module):
    r"""Predicts where charged particles will be, by message passing as in "Neural Message Passing for Quantum
    Chemistry" (Gilmer et al. 2017). Equivariant to translations and to the order of the particles, but not to
    rotations by itself: frame it.

    .. math:: m_{ij} = \phi_m(h_i, h_j, e_{ij}), \qquad
              h_i \leftarrow h_i + \phi_h(h_i, \textstyle\sum_j m_{ij}), \qquad
              y_i = x_i + v_i + \phi_x(h_i)

    with :math:`h_i` made of the position relative to the centroid, velocity and charge, and :math:`e_{ij}` of
    the displacement :math:`r = x_i - x_j`, :math:`|r|^2`, :math:`1/|r|`, :math:`q_i q_j`, :math:`q_i q_j/|r|`
    and :math:`(v_i - v_j) \cdot r`. Without the correction :math:`\phi_x` particles fly straight on for one
    unit of time, the benchmark's 1000 steps.

    Args:
        hidden: width of node and message vectors.
        layers: rounds of message passing.
        dim: of the space.

    Shapes: ``pos, vel [N, dim]``, ``charge [N, 1]``, ``edge_index [2, E]`` from source to target without
    self-loops, ``batch [N]`` (None: one graph); returns ``[N, dim]``. ``edge_attr`` is not used, since all
    pair inputs follow from the particles; it is taken so that all models of the benchmark are called alike.

    Example::

        FrameAveraging(GNN(), PCAFrame("E(3)"), inputs={"pos": "point", "vel": "vector"}, output="point")
    """

    def __init__(self, hidden: int = 64, layers: int = 4, dim: int = 3) -> None:
        super().__init__()
        checks.size("hidden", hidden)
        checks.integer("layers", layers, 0, checks.DEEP)
        checks.size("dim", dim)
        self.embed = nn.Linear(2 * dim + 1, hidden)
        self.layers = nn.ModuleList([MessagePassingLayer(hidden, dim + 5) for _ in range(layers)])
        self.displacement = nn.Sequential(nn.Linear(hidden, hidden), nn.SiLU(), nn.Linear(hidden, dim))

    def forward(
        self,
        pos: Tensor,
        vel: Tensor,
        charge: Tensor,
        edge_index: Tensor,
        edge_attr: Tensor | None = None,
        batch: Tensor | None = None,
    ) -> Tensor:
        # The first place of its number among all serves as a graph's: to count graphs is to wait for a GPU.
        graph = None if batch is None else torch.searchsorted(batch.sort().values, batch)
        centre = mean(pos, graph, 1 if graph is None else len(pos))
        h = self.embed(torch.cat([pos - gather(centre, graph), vel, charge], dim=-1))
        source, target = edge_index
        pair = pair_inputs(pos, vel, charge, source, target)
        for layer in self.layers:
            h = layer(h, pair, source, target)
        return pos + vel + self.displacement(h)


class MessagePassingLayer(nn.Module):
    r"""One round: :math:`h_i + \phi_h(h_i, \sum_j \phi_m(h_i, h_j, e_{ij}))`.

    The first linear map of :math:`\phi_m` is split, W (h_i, h_j, e_ij) = U h_i + V h_j + W' e_ij, so that its
    wide part is done once a node instead of once an edge.
    """

    def __init__(self, hidden: int, pair: int) -> None:
        super().__init__()
        self.to_target = nn.Linear(hidden, hidden)
        self.from_source = nn.Linear(hidden, hidden, bias=False)
        self.from_pair = nn.Linear(pair, hidden, bias=False)
        self.message = nn.Sequential(nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU())
        self.update = nn.Sequential(nn.Linear(2 * hidden, hidden), nn.SiLU(), nn.Linear(hidden, hidden))

    def forward(self, h: Tensor, pair: Tensor, source: Tensor, target: Tensor) -> Tensor:
        wide = gather(self.to_target(h), target) + gather(self.from_source(h), source)
        messages = self.message(wide + self.from_pair(pair))
        return h + self.update(torch.cat([h, scatter_sum(messages, target, len(h))], dim=-1))


def pair_inputs(pos: Tensor, vel: Tensor, charge: Tensor, source: Tensor, target: Tensor) -> Tensor:
    """What one particle sees of another [E, dim + 5]: all but the displacement is invariant."""
    r, v = (gather(x, target) - gather(x, source) for x in (pos, vel))
    charges = gather(charge, target) * gather(charge, source)
    square = r.square().sum(-1, keepdim=True)
    inverse = (square + NEAR).rsqrt()
    return torch.cat([r, square, inverse, charges, charges * inverse, (v * r).sum(-1, keepdim=True)], dim=-1)
