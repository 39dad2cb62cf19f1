"""Message passing on particles, with edge features of their free motion: a backbone to be framed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from fa_pyg import checks
from fa_pyg.math.linalg import gather
from fa_pyg.models.particles.edges import check_charge, check_system, displacements, graph_index, graph_means
from fa_pyg.models.particles.gnn import NEAR, GNNConv, pair_features, pair_maps, run_layers

__all__ = ["KinematicGNN", "free_motion"]

SLOW = 1e-9  # squared speed that keeps the time of closest approach finite
LOGARITHM = 30.0  # limit of all features: that of the logarithm of a charge of zero, among others


class KinematicGNN(nn.Module):
    r"""Message-passing network on charged particles that knows where each pair would move freely.

    As :class:`~fa_pyg.models.GNN` (Gilmer et al. 2017, "Neural Message Passing for Quantum Chemistry"), with
    three symmetries of mechanics built in and more edge features. Equivariant to translations, boosts and the
    order of the particles, invariant to the sign of all charges; not equivariant to rotations: to be used in
    frames.

    .. math:: m_{ij} = \phi_m(h_i, h_j, e_{ij}), \qquad
              h_i \leftarrow h_i + \phi_h(h_i, \textstyle\sum_j m_{ij}), \qquad
              y_i = x_i + t v_i + \phi_x(h_i) - \textstyle\frac1n \sum_k \phi_x(h_k)

    with :math:`h_i` initialized from position and velocity relative to the means of the graph (the means of
    all predictions move uniformly), and :math:`e_{ij}` made of :math:`r = x_i - x_j`, :math:`r/|r|`,
    :math:`v_i - v_j` and ``free_motion``: the distance at several times if no force acted, the closest
    approach and its time. Nothing of the force enters.

    Args:
        hidden_channels: width of node features and messages.
        num_layers: number of message-passing layers.
        dim: dimension of space.
        num_times: number of times at which distances are computed, besides the present; 0: no free motion.
        horizon: the time t to predict; one unit is 1000 steps of the benchmark.
        velocity: also predict the velocities at that time, :math:`v_i + \phi_v(h_i)` minus the mean of
            :math:`\phi_v`, so that trajectories can be rolled out.

    Shapes: ``pos, vel [N, dim]``, ``charge [N, 1]``, ``edge_index [2, E]`` from source to target without
    self-loops, ``batch [N]`` (None: one graph); returns positions ``[N, dim]``, with ``velocity``
    a tuple of positions and velocities. ``edge_attr`` is ignored, since all
    edge features are computed here: all models of the benchmark have the same signature.

    Raises:
        ValueError: for arguments out of range, missing edges and charges, and wrong shapes.

    Example::

        inputs = {"pos": "point", "vel": "vector"}
        FrameAveraging(KinematicGNN(), PCAFrame("E(3)"), inputs=inputs, output="point")
    """

    times: Tensor
    invariants_of: ClassVar[dict[str, str]] = {"pos": "point", "vel": "vector"}

    def __init__(
        self,
        hidden_channels: int = 64,
        num_layers: int = 4,
        dim: int = 3,
        num_times: int = 4,
        horizon: float = 1.0,
        velocity: bool = False,
    ) -> None:
        super().__init__()
        checks.size("hidden_channels", hidden_channels)
        checks.integer("num_layers", num_layers, 0, checks.DEEP)
        checks.size("dim", dim)
        checks.integer("num_times", num_times, 0, 1000)
        self.horizon = checks.number("horizon", horizon, above=0)
        self.register_buffer("times", torch.linspace(0, horizon, num_times + 1), persistent=False)
        self.embed = nn.Linear(2 * dim, hidden_channels)
        edge_dim = 3 * dim + 3 * (num_times + 1) + 12 if num_times else 2 * dim + 5
        self.layers = nn.ModuleList([GNNConv(hidden_channels, edge_dim) for _ in range(num_layers)])
        self.velocity = checks.flag("velocity", velocity)
        width = dim * (1 + velocity)
        self.displacement = nn.Sequential(
            nn.Linear(hidden_channels, hidden_channels), nn.SiLU(), nn.Linear(hidden_channels, width)
        )

    def forward(
        self,
        pos: Tensor,
        vel: Tensor,
        charge: Tensor,
        edge_index: Tensor,
        edge_attr: Tensor | None = None,
        batch: Tensor | None = None,
        invariants: Mapping[str, Tensor] | None = None,
    ) -> Tensor | tuple[Tensor, Tensor]:
        check_system(pos, vel, edge_index)
        check_charge(charge, len(pos))
        graph = graph_index(batch)
        state = torch.cat([pos, vel], dim=-1)
        h = self.embed(state - graph_means(state, graph))
        source, target = edge_index
        edge = [self._directed(pos, vel, source, target)]
        edge += [] if invariants is not None else [self._pairs(pos, vel, charge, source, target)]
        h = run_layers(self.layers, h, torch.cat(edge, dim=-1), source, target, invariants)
        free = pos + self.horizon * vel
        if self.velocity:
            free = torch.cat([free, vel], dim=-1)
        change = self.displacement(h)
        moved = free + change - graph_means(change, graph)
        return moved.chunk(2, dim=-1) if self.velocity else moved

    def invariants(
        self,
        pos: Tensor,
        vel: Tensor,
        charge: Tensor,
        edge_index: Tensor,
        edge_attr: Tensor | None = None,
        batch: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Return what no frame changes: the part of each layer's filters that is made of invariants of pairs.

        Arguments are those of a call (:class:`~fa_pyg.nn.invariants.Invariants`).
        """
        return pair_maps(self.layers, self._pairs(pos, vel, charge, *edge_index))

    def _directed(self, pos: Tensor, vel: Tensor, source: Tensor, target: Tensor) -> Tensor:
        """The features of edges that rotate."""
        r, v = (displacements(x, source, target) for x in (pos, vel))
        if len(self.times) == 1:
            return torch.cat([v, r], dim=-1)
        direction = r * (r.square().sum(-1, keepdim=True) + NEAR).rsqrt()
        return torch.cat([r, direction, v], dim=-1)

    def _pairs(self, pos: Tensor, vel: Tensor, charge: Tensor, source: Tensor, target: Tensor) -> Tensor:
        """The invariant features of edges."""
        if len(self.times) == 1:
            return pair_features(pos, vel, charge, source, target)
        r, v = (displacements(x, source, target) for x in (pos, vel))
        return free_motion(r, v, gather(charge, target) * gather(charge, source), self.times)


def free_motion(r: Tensor, v: Tensor, charges: Tensor, times: Tensor) -> Tensor:
    r"""Invariant features of pairs that move freely, r + t v, and of the product of their charges.

    Distances :math:`d_t = |r + t v|` at the given times and at the closest approach within them, their
    logarithms and inverses, the relative speed, and the charges over and times some of these.

    Args:
        r, v: relative positions and velocities ``[E, d]``.
        charges: products of two charges ``[E, 1]``.
        times: ``[T]``, from 0.

    Returns:
        Features ``[E, 3 T + 12]``, each within +-30.
    """
    square, speed2 = r.square().sum(-1, keepdim=True) + NEAR, v.square().sum(-1, keepdim=True) + SLOW
    product = (r * v).sum(-1, keepdim=True)

    def distance(t: Tensor) -> Tensor:
        return (square + 2 * t * product + t * t * speed2).clamp(min=NEAR).sqrt()

    closest = (-product / speed2).minimum(times[-1]).clamp(min=0)
    now, later, least = square.sqrt(), distance(times), distance(closest)
    sign = charges.sign()
    size = charges.abs().clamp(min=torch.finfo(charges.dtype).tiny).log()
    features = [later.log(), (1 / later).clamp(max=50).log1p(), sign * later.log()]
    features += [least.log(), closest, speed2.log(), speed2.sqrt(), product / now, product, square]
    features += [charges, charges / now, charges / least, sign, size]
    return torch.cat(features, dim=-1).clamp(-LOGARITHM, LOGARITHM)
