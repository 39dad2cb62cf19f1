"""Message-passing network on coordinates of particles: a backbone to be framed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from fa_pyg import checks
from fa_pyg.math.linalg import added, gather, scatter_sum
from fa_pyg.models.particles.edges import displacements, graph_index, graph_means
from fa_pyg.renamed import renamed

__all__ = ["GNN", "NEAR", "GNNConv", "edge_features", "pair_features", "pair_maps", "run_layers"]

NEAR = 1e-6  # squared distance that keeps 1 / r finite where two particles meet


class GNN(nn.Module):
    r"""Message-passing network that predicts positions of charged particles (Gilmer et al. 2017).

    "Neural Message Passing for Quantum Chemistry". Equivariant to translations and to the order of the
    particles, but not to rotations: to be used in frames.

    .. math:: m_{ij} = \phi_m(h_i, h_j, e_{ij}), \qquad
              h_i \leftarrow h_i + \phi_h(h_i, \textstyle\sum_j m_{ij}), \qquad
              y_i = x_i + v_i + \phi_x(h_i)

    with :math:`h_i` initialized from the position relative to the centroid, velocity and charge, and
    :math:`e_{ij}` made of the displacement :math:`r = x_i - x_j`, :math:`|r|^2`, :math:`1/|r|`,
    :math:`q_i q_j`, :math:`q_i q_j/|r|` and :math:`(v_i - v_j) \cdot r`. Without the correction
    :math:`\phi_x` velocities are constant for one unit of time, which is 1000 steps of the benchmark.

    Args:
        hidden_channels: width of node features and messages.
        num_layers: number of message-passing layers.
        dim: dimension of space.

    Shapes: ``pos, vel [N, dim]``, ``charge [N, 1]``, ``edge_index [2, E]`` from source to target without
    self-loops, ``batch [N]`` (None: one graph); returns ``[N, dim]``. ``edge_attr`` is ignored, since all
    edge features are computed here: all models of the benchmark have the same signature.

    Raises:
        ValueError: for arguments out of range.

    Example::

        FrameAveraging(GNN(), PCAFrame("E(3)"), inputs={"pos": "point", "vel": "vector"}, output="point")
    """

    invariants_of: ClassVar[dict[str, str]] = {"pos": "point", "vel": "vector"}

    @renamed(hidden="hidden_channels", layers="num_layers")
    def __init__(self, hidden_channels: int = 64, num_layers: int = 4, dim: int = 3) -> None:
        super().__init__()
        checks.size("hidden_channels", hidden_channels)
        checks.integer("num_layers", num_layers, 0, checks.DEEP)
        checks.size("dim", dim)
        self.embed = nn.Linear(2 * dim + 1, hidden_channels)
        self.layers = nn.ModuleList([GNNConv(hidden_channels, dim + 5) for _ in range(num_layers)])
        self.displacement = nn.Sequential(
            nn.Linear(hidden_channels, hidden_channels), nn.SiLU(), nn.Linear(hidden_channels, dim)
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
    ) -> Tensor:
        centered = pos - graph_means(pos, graph_index(batch))
        h = self.embed(torch.cat([centered, vel, charge], dim=-1))
        source, target = edge_index
        if invariants is None:
            edge = edge_features(pos, vel, charge, source, target)
        else:
            edge = displacements(pos, source, target)
        h = run_layers(self.layers, h, edge, source, target, invariants)
        return pos + vel + self.displacement(h)

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
        return pair_maps(self.layers, pair_features(pos, vel, charge, *edge_index))


class GNNConv(nn.Module):
    r"""Message-passing layer :math:`h_i + \phi_h(h_i, \sum_j \phi_m(h_i, h_j, e_{ij}))`.

    The first linear map of :math:`\phi_m` is split, W (h_i, h_j, e_ij) = U h_i + V h_j + W' e_ij, so that
    the maps of node features run per node and not per edge.

    Args:
        channels: width of node features and messages.
        edge_dim: number of features of an edge.

    Shapes:
        h ``[N, channels]``, edge ``[E, edge_dim]``, source, target ``[E]``. With ``shared [E, channels]``,
        the map (:meth:`of_pairs`) of the last features of an edge, edge has the others alone.
    """

    def __init__(self, channels: int, edge_dim: int) -> None:
        super().__init__()
        self.to_target = nn.Linear(channels, channels)
        self.from_source = nn.Linear(channels, channels, bias=False)
        self.from_pair = nn.Linear(edge_dim, channels, bias=False)
        self.message = nn.Sequential(nn.SiLU(), nn.Linear(channels, channels), nn.SiLU())
        self.update = nn.Sequential(
            nn.Linear(2 * channels, channels), nn.SiLU(), nn.Linear(channels, channels)
        )

    def of_pairs(self, features: Tensor) -> Tensor:
        """Return the map of the last features of each edge, ``[E, channels]``."""
        return linear(features, self.from_pair.weight[:, -features.size(1) :])

    def _of_others(self, edge: Tensor, shared: Tensor) -> Tensor:
        return torch.addmm(shared, edge, self.from_pair.weight[:, : edge.size(1)].T)

    def forward(
        self, h: Tensor, edge: Tensor, source: Tensor, target: Tensor, shared: Tensor | None = None
    ) -> Tensor:
        of_target, of_source = gather(self.to_target(h), target), gather(self.from_source(h), source)
        of_pair = self.from_pair(edge) if shared is None else self._of_others(edge, shared)
        # In place: on a CPU, passes over tensors this wide take as long as the matrix products.
        messages = self.message(added(of_target, of_source, of_pair))
        return h + self.update(torch.cat([h, scatter_sum(messages, target, len(h))], dim=-1))


def edge_features(pos: Tensor, vel: Tensor, charge: Tensor, source: Tensor, target: Tensor) -> Tensor:
    """Edge features ``[E, dim + 5]``: displacements, and invariants of pairs."""
    pairs = pair_features(pos, vel, charge, source, target)
    return torch.cat([displacements(pos, source, target), pairs], dim=-1)


def pair_features(pos: Tensor, vel: Tensor, charge: Tensor, source: Tensor, target: Tensor) -> Tensor:
    """Invariant features of each edge, ``[E, 5]``: all but the displacement."""
    r, v = (displacements(x, source, target) for x in (pos, vel))
    charges = gather(charge, target) * gather(charge, source)
    square = r.square().sum(-1, keepdim=True)
    inverse = (square + NEAR).rsqrt()
    return torch.cat([square, inverse, charges, charges * inverse, (v * r).sum(-1, keepdim=True)], dim=-1)


def pair_maps(layers: Iterable[nn.Module], features: Tensor) -> dict[str, Tensor]:
    """Return the maps of invariant features of edges in all layers, as invariants of a call by name."""
    return {f"edge_map_{i}": cast("GNNConv", layer).of_pairs(features) for i, layer in enumerate(layers)}


def run_layers(
    layers: Iterable[nn.Module],
    h: Tensor,
    edge: Tensor,
    source: Tensor,
    target: Tensor,
    invariants: Mapping[str, Tensor] | None,
) -> Tensor:
    """Run the layers on all features of edges, or on the others than those of the :func:`pair_maps`."""
    for i, layer in enumerate(layers):
        shared = None if invariants is None else invariants[f"edge_map_{i}"]
        h = layer(h, edge, source, target, shared)
    return h
