"""A message-passing network on molecules whose messages see directions: the model to be framed."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from fa_pyg.linalg import mean, pick, scatter_sum
from fa_pyg.models.molecule_heads import Head
from fa_pyg.nn.graph_building import radius_graph

__all__ = ["FAENet", "polynomial_envelope"]


class FAENet(nn.Module):
    r"""Message passing on atoms by distances *and directions*, in the manner of "FAENet: Frame Averaging
    Equivariant GNN for Materials Modeling" (Duval et al. 2023). Equivariant to translations and to the order
    of the atoms, but not to rotations by itself: frame it.

    .. math:: m_{ij} = \frac{u(d_{ij})}{\sqrt n}\; V h_j \odot R\, \phi_e\big(b(d_{ij})\big)
              \odot \big(1 + S\, [\hat r_{ij},\; \hat r_{ij} \hat r_{ij}^\top]\big), \qquad
              h_i \leftarrow h_i + \phi_h\Big(h_i, \sum_j m_{ij}\Big)

    with :math:`r_{ij} = x_j - x_i`, Bessel functions :math:`b` and an envelope :math:`u` that falls to 0
    at the cutoff with its first and second derivatives: the outputs are twice differentiable in the
    positions, so that forces are smooth and can be trained on. :math:`S` is small at first: training starts
    near a network of distances alone, and adds what directions tell.

    Args:
        hidden: width of atoms and messages.
        layers: rounds of messages.
        cutoff: in the unit of ``pos``.
        num_radial: Bessel functions.
        num_neighbors: n, the average number of neighbours; it scales the messages only.
        heads: what is predicted, by name: ``"scalar"`` (a sum over the atoms, as an energy is), ``"mean"`` (a
            mean over them), ``"vector"``, ``"tensor"`` (symmetric), ``"node scalar"`` or ``"node vector"``.
            Default: one scalar, returned as it is and not in a dict.
        max_z: the largest atomic number.

    Shapes:
        ``z [N]``, ``pos [N, 3]``, ``edge_index [2, E]`` from the neighbour j to i with both directions
        (default: all pairs within the cutoff), ``batch [N]`` (None: one molecule), ``edge_vec [E, 3]``, the
        vectors :math:`r_{ij}` to use instead of those of ``pos`` (periodic images), with ``edge_index``.
        Returns ``[B]``, or a dict of ``[B]``, ``[B, 3]``, ``[B, 3, 3]``, ``[N]``, ``[N, 3]``. Positions may
        be float64 for a float32 model: their differences are taken before they are rounded.

    Raises:
        ValueError: for an unknown head, or neither ``pos`` nor edges with vectors.

    Not guaranteed: that a vector or tensor of the molecule counts charges at their places unless it is given
    ``pos``; with ``edge_vec`` alone it is a sum of atomic parts.

    Example::

        FrameAveraging(FAENet(), WeightedPCAFrame("E(3)"))                                # energies
        heads = {"energy": "scalar", "dipole": "vector"}
        FrameAveraging(FAENet(heads=heads), WeightedPCAFrame("E(3)"), output={"energy": "scalar",
                                                                             "dipole": "vector"})
    """

    def __init__(
        self,
        hidden: int = 128,
        layers: int = 4,
        cutoff: float = 5.0,
        num_radial: int = 16,
        num_neighbors: float = 15.0,
        heads: Mapping[str, str] | None = None,
        max_z: int = 118,
    ) -> None:
        super().__init__()
        if not cutoff > 0:
            raise ValueError(f"cutoff: expected a positive number, found {cutoff!r}")
        if not num_neighbors > 0:
            raise ValueError(f"num_neighbors: expected a positive number, found {num_neighbors!r}")
        self.cutoff, self.shrink = cutoff, num_neighbors**-0.5
        self.is_single = heads is None
        self.head_names = dict(heads or {"energy": "scalar"})
        self.heads = {name: Head.of(spec) for name, spec in self.head_names.items()}
        self.embed = nn.Embedding(max_z + 1, hidden)
        self.register_buffer("waves", math.pi * torch.arange(1, num_radial + 1) / cutoff, persistent=False)
        self.radial = nn.Sequential(nn.Linear(num_radial, hidden), nn.SiLU())
        self.layers = nn.ModuleList([Interaction(hidden) for _ in range(layers)])
        self.readout = nn.ModuleDict({name: _mlp(hidden, head.channels) for name, head in self.heads.items()})

    def forward(
        self,
        z: Tensor,
        pos: Tensor | None = None,
        edge_index: Tensor | None = None,
        batch: Tensor | None = None,
        edge_vec: Tensor | None = None,
        num_graphs: int | None = None,
    ) -> Tensor | dict[str, Tensor]:
        edge_index, edge_vec = self._edges(pos, edge_index, batch, edge_vec)
        source, target = edge_index
        waves, directions, weight = self._edge_features(edge_vec.to(self.embed.weight.dtype))
        h, e = self.embed(z), self.radial(waves) * weight
        for layer in self.layers:
            h = layer(h, e, directions, source, target)
        size = num_graphs if num_graphs is not None else 1 if batch is None else int(batch.max()) + 1
        x = None if pos is None else (pos - pick(mean(pos, batch, size), batch)).to(h.dtype)
        out = {name: head(self.readout[name](h), x, batch, size) for name, head in self.heads.items()}
        return out["energy"] if self.is_single else out

    def _edges(
        self, pos: Tensor | None, edge_index: Tensor | None, batch: Tensor | None, edge_vec: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        if edge_vec is not None and edge_index is not None:
            return edge_index, edge_vec
        if pos is None or edge_vec is not None:
            raise ValueError("FAENet needs pos, or edge_vec with edge_index")
        if edge_index is None:
            edge_index = radius_graph(pos, self.cutoff, batch, max_num_neighbors=None)
        return edge_index, pos.index_select(0, edge_index[0]) - pos.index_select(0, edge_index[1])

    def _edge_features(self, r: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Distances [E, num_radial] and directions [E, 9] as an edge sees them, and its weight [E, 1]."""
        square = r.square().sum(-1, keepdim=True)
        apart = square > 0  # coincident atoms have no direction, and the root no derivative
        distance = torch.where(apart, square, 1).sqrt()
        u = r / distance
        waves = torch.sin(distance * self.waves) / distance
        products = [u[:, a, None] * u[:, a:] for a in range(3)]
        weight = polynomial_envelope(distance / self.cutoff) * apart * self.shrink
        return waves, torch.cat([u, *products], dim=-1), weight

    def extra_repr(self) -> str:
        return f"cutoff={self.cutoff}, heads={{{', '.join(self.heads)}}}"


class Interaction(nn.Module):
    """One round of messages."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.value = nn.Linear(hidden, hidden, bias=False)
        self.radial = nn.Linear(hidden, hidden, bias=False)
        self.angular = nn.Linear(9, hidden, bias=False)
        nn.init.normal_(self.angular.weight, std=0.1)
        self.update = nn.Sequential(nn.Linear(2 * hidden, hidden), nn.SiLU(), nn.Linear(hidden, hidden))

    def forward(self, h: Tensor, e: Tensor, directions: Tensor, source: Tensor, target: Tensor) -> Tensor:
        filters = self.radial(e) * (1 + self.angular(directions))
        total = scatter_sum(filters * pick(self.value(h), source), target, len(h))
        return h + self.update(torch.cat([h, total], dim=-1))


def polynomial_envelope(x: Tensor, p: int = 5) -> Tensor:
    r"""Returns a weight that falls from 1 at 0 to 0 at 1, flat to second order at both ends ("Directional
    Message Passing for Molecular Graphs", Gasteiger et al. 2020).

    .. math:: u(x) = 1 - \tfrac{(p+1)(p+2)}{2} x^p + p (p+2)\, x^{p+1} - \tfrac{p (p+1)}{2} x^{p+2}

    Shapes: any; 0 beyond 1.
    """
    x = x.clamp(max=1)
    a, b, c = -(p + 1) * (p + 2) / 2, p * (p + 2), -p * (p + 1) / 2
    return 1 + x**p * (a + x * (b + x * c))


def _mlp(hidden: int, channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(hidden, hidden), nn.SiLU(), nn.Linear(hidden, channels))
