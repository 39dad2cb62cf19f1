"""FAENet: message passing on molecules with directions of edges; a backbone to be framed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn

from fa_pyg import checks
from fa_pyg.math.linalg import gather, mean, scatter_sum
from fa_pyg.models.molecules.edges import EdgeFeatures, edges_of, nan_without_position
from fa_pyg.models.molecules.heads import Head, check_heads
from fa_pyg.models.molecules.inputs import number_of_graphs, read_molecules
from fa_pyg.neighbors import edge_vectors
from fa_pyg.renamed import renamed

__all__ = ["FAENet"]


class FAENet(nn.Module):
    r"""Message-passing network on atoms with distances *and directions* of edges, after Duval et al. (2023).

    "FAENet: Frame Averaging Equivariant GNN for Materials Modeling". Equivariant to translations and to the
    order of the atoms, but not to rotations: to be used in frames.

    .. math:: m_{ij} = \frac{u(d_{ij})}{\sqrt n}\; V h_j \odot R\, \phi_e\big(b(d_{ij})\big)
              \odot \big(1 + S\, [\hat r_{ij},\; \hat r_{ij} \hat r_{ij}^\top]\big), \qquad
              h_i \leftarrow h_i + \phi_h\Big(h_i, \sum_j m_{ij}\Big)

    with :math:`r_{ij} = x_j - x_i`, Bessel functions :math:`b` and an envelope :math:`u` that falls to 0
    at the cutoff with its first and second derivatives: the outputs are twice differentiable in the
    positions, so that forces are smooth and can be trained on. :math:`S` is initialized small: training
    starts near a network of distances, and learns to use directions.

    Args:
        hidden_channels: width of atom features and messages.
        num_layers: number of message-passing layers.
        cutoff: in the unit of ``pos``.
        num_radial: number of Bessel functions.
        num_neighbors: n, the average number of neighbors; it scales the messages only.
        heads: predictions by name: ``"scalar"`` (a sum over atoms, such as an energy), ``"mean"`` (a mean
            over atoms), ``"vector"``, ``"tensor"`` (symmetric), ``"node scalar"`` or ``"node vector"``.
            Default: a scalar, returned as a tensor instead of a dict.
        max_z: largest atomic number.

    Shapes:
        ``z [N]``, ``pos [N, 3]``, ``edge_index [2, E]`` from the neighbor j to i in both directions (default:
        all pairs within the cutoff), ``batch [N]`` (None: one molecule), ``edge_vec [E, 3]``, the vectors
        :math:`r_{ij}` to use instead of those of ``pos`` (periodic images), with ``edge_index``. Returns
        ``[B]``, or a dict of ``[B]``, ``[B, 3]``, ``[B, 3, 3]``, ``[N]``, ``[N, 3]``. Positions may be
        float64 for a float32 model: they are rounded after their differences are taken.

    Raises:
        ValueError: for an unknown head, neither ``pos`` nor edges with vectors, wrong shapes or types, and
            (on the CPU) atomic numbers beyond ``max_z`` and indices of graphs and atoms out of range.

    Not guaranteed: contributions of charges at a distance to vectors and tensors of molecules unless ``pos``
    is given; with ``edge_vec`` only, they are sums of atomic vectors and tensors.

    Example::

        FrameAveraging(FAENet(), WeightedPCAFrame("E(3)"))                                # energies
        heads = {"energy": "scalar", "dipole": "vector"}
        FrameAveraging(FAENet(heads=heads), WeightedPCAFrame("E(3)"), output={"energy": "scalar",
                                                                             "dipole": "vector"})
    """

    takes_float64 = True  # positions of a float32 model, which are rounded as differences
    invariants_of: ClassVar[dict[str, str]] = {"pos": "point", "edge_vec": "vector"}

    @renamed(hidden="hidden_channels", layers="num_layers")
    def __init__(
        self,
        hidden_channels: int = 128,
        num_layers: int = 4,
        cutoff: float = 5.0,
        num_radial: int = 16,
        num_neighbors: float = 15.0,
        heads: Mapping[str, str] | None = None,
        max_z: int = 118,
    ) -> None:
        super().__init__()
        checks.size("hidden_channels", hidden_channels)
        checks.integer("num_layers", num_layers, 0, checks.DEEP)
        checks.size("num_radial", num_radial)
        checks.number("num_neighbors", num_neighbors, above=0)
        checks.number("cutoff", cutoff, above=0)
        checks.size("max_z", max_z)
        check_heads(heads)
        self.cutoff, self.shrink = cutoff, num_neighbors**-0.5
        self.is_single = heads is None
        self.head_names = dict(heads or {"energy": "scalar"})
        self.heads = {name: Head.of(spec) for name, spec in self.head_names.items()}
        self.embed = nn.Embedding(max_z + 1, hidden_channels)
        self.features = EdgeFeatures(cutoff, num_radial)
        self.radial = nn.Sequential(nn.Linear(num_radial, hidden_channels), nn.SiLU())
        self.layers = nn.ModuleList([_DirectionalConv(hidden_channels) for _ in range(num_layers)])
        self.readout = nn.ModuleDict(
            {name: _mlp(hidden_channels, head.channels) for name, head in self.heads.items()}
        )

    def forward(
        self,
        z: Tensor,
        pos: Tensor | None = None,
        edge_index: Tensor | None = None,
        batch: Tensor | None = None,
        edge_vec: Tensor | None = None,
        num_graphs: int | None = None,
        invariants: Mapping[str, Tensor] | None = None,
    ) -> Tensor | dict[str, Tensor]:
        if invariants is None:
            invariants = self.invariants(z, pos, edge_index, batch, edge_vec, num_graphs)
        size = number_of_graphs(z, batch, num_graphs, values=False)
        edge_index, h = invariants["edge_index"], invariants["node_embedding"]
        r = edge_vectors(cast("Tensor", pos), edge_index) if edge_vec is None else edge_vec
        u = r.to(h.dtype) / invariants["edge_length"]
        directions = torch.cat([u, *(u[:, a, None] * u[:, a:] for a in range(3))], dim=-1)
        for i, layer in enumerate(self.layers):
            h = layer(h, invariants[f"edge_filter_{i}"], directions, *edge_index)
        x = None if pos is None else (pos - gather(mean(pos, batch, size), batch)).to(h.dtype)
        out = {name: head(self.readout[name](h), x, batch, size) for name, head in self.heads.items()}
        return out["energy"] if self.is_single else out

    def invariants(
        self,
        z: Tensor,
        pos: Tensor | None = None,
        edge_index: Tensor | None = None,
        batch: Tensor | None = None,
        edge_vec: Tensor | None = None,
        num_graphs: int | None = None,
    ) -> dict[str, Tensor]:
        """Return what no frame changes: edges, their lengths and radial filters, embeddings of the atoms.

        Arguments are those of a call (:class:`~fa_pyg.nn.invariants.Invariants`).
        """
        read_molecules(z, batch, num_graphs, self.embed.num_embeddings - 1)
        edge_index, r = edges_of(self, pos, edge_index, batch, edge_vec, z)
        length, waves, weight = self.features.radial(r.to(self.embed.weight.dtype))
        e = self.radial(waves) * (weight * self.shrink)
        layers: Any = self.layers
        filters = {f"edge_filter_{i}": layer.radial(e) for i, layer in enumerate(layers)}
        embedding = nan_without_position(gather(self.embed.weight, z), pos)
        return {"edge_index": edge_index, "edge_length": length, "node_embedding": embedding, **filters}

    def extra_repr(self) -> str:
        return f"cutoff={self.cutoff}, heads={{{', '.join(self.heads)}}}"


class _DirectionalConv(nn.Module):
    """Message-passing layer whose filters depend on distances and directions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.value = nn.Linear(channels, channels, bias=False)
        self.radial = nn.Linear(channels, channels, bias=False)
        self.angular = nn.Linear(9, channels, bias=False)
        nn.init.normal_(self.angular.weight, std=0.1)
        self.update = nn.Sequential(
            nn.Linear(2 * channels, channels), nn.SiLU(), nn.Linear(channels, channels)
        )

    def forward(
        self, h: Tensor, radial: Tensor, directions: Tensor, source: Tensor, target: Tensor
    ) -> Tensor:
        filters = radial * (1 + self.angular(directions))
        total = scatter_sum(filters * gather(self.value(h), source), target, len(h))
        return h + self.update(torch.cat([h, total], dim=-1))


def _mlp(channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(channels, channels), nn.SiLU(), nn.Linear(channels, out_channels))
