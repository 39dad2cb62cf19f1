"""Equivariant kernels between features of types l, and nonlinearities of their norms."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from fa_pyg.math.linalg import gather, mean
from fa_pyg.models.irreps import import_o3

__all__ = [
    "Convolution",
    "Couplings",
    "Edges",
    "Kernel",
    "NormActivation",
    "TypewiseLinear",
    "neighbors",
    "read_edges",
]

Types = dict[int, int]  # number of channels of each type l
Features = dict[int, Tensor]  # of each type l, [N, 2 l + 1, channels]
Pair = tuple[int, int]  # types of input and output

TINY = 1e-24  # squared norm below which a feature counts as 0, so that gradients are finite


class Couplings(nn.Module):
    r"""Basis of the equivariant linear maps from type a to type b along an edge of direction u.

    .. math:: K^J_{ab}(u) = \sum_m C^{bJa}_{\cdot m \cdot}\, Y^J_m(u), \qquad J = |a - b|, \dots, a + b

    with Wigner's 3j symbols C and real spherical harmonics Y, normalized over the sphere. Parities are not
    restricted, as in tensor field networks: maps commute with rotations, but not with reflections.

    Args:
        lmax: largest type; e3nn has harmonics for ``lmax`` up to 5.
        model: name of the network in errors.

    Shapes:
        ``u [E, 3]``, of unit length; returns ``[E, (2 b + 1) * (2 min(a, b) + 1), 2 a + 1]`` for each (a, b).

    Raises:
        ImportError: without e3nn.
    """

    def __init__(self, lmax: int, model: str = "Couplings") -> None:
        super().__init__()
        self.model, self.degrees = model, list(range(2 * lmax + 1))
        tables = {(a, b): _table(a, b, lmax, model) for a in range(lmax + 1) for b in range(lmax + 1)}
        self.columns = {pair: table.size(1) for pair, table in tables.items()}
        self.register_buffer("table", torch.cat(list(tables.values()), dim=1), persistent=False)

    def forward(self, u: Tensor) -> dict[Pair, Tensor]:
        o3 = import_o3(self.model)
        harmonics = o3.spherical_harmonics(self.degrees, u, normalize=False, normalization="integral")
        parts = (harmonics @ self.table.to(harmonics)).split(list(self.columns.values()), dim=1)
        return {
            (a, b): part.view(len(u), part.size(1) // (2 * a + 1), 2 * a + 1)
            for (a, b), part in zip(self.columns, parts, strict=True)
        }


def _table(a: int, b: int, lmax: int, model: str) -> Tensor:
    """Couplings of all harmonics with type a to type b, ``[harmonics, (2 b + 1) * J * (2 a + 1)]``."""
    o3, kinds = import_o3(model), range(abs(a - b), a + b + 1)
    # Exact where the network is float64.
    table = torch.zeros((2 * lmax + 1) ** 2, 2 * b + 1, len(kinds), 2 * a + 1, dtype=torch.float64)
    for column, j in enumerate(kinds):
        block = o3.wigner_3j(j, b, a, dtype=torch.float64)
        table[j * j : (j + 1) ** 2, :, column] = block
    return table.flatten(1)


class Edges(NamedTuple):
    """Edges as kernels need them; both directions of an edge follow each other, if every edge has both."""

    source: Tensor  # [E]
    target: Tensor  # [E]
    couplings: dict[Pair, Tensor]  # of the directions
    features: Tensor  # [E / share, edge_dim]
    share: int  # consecutive edges with the same features: 2, or 1 if an edge lacks its reverse


def read_edges(pos: Tensor, edge_index: Tensor, couplings: Couplings) -> Edges:
    """Compute couplings and lengths of edges from source to target.

    Both directions of an edge have the same length, so that radial networks run once for both.
    """
    order, share = _paired(edge_index, len(pos))
    source, target = edge_index[:, order]
    u, distance = _divided(gather(pos, target) - gather(pos, source), dim=1)
    return Edges(source, target, couplings(u), distance[::share], share)


def _paired(edge_index: Tensor, size: int) -> tuple[Tensor, int]:
    """Return an order in which both directions of every edge follow each other, and 2; or 1 if one lacks."""
    pair = edge_index.amin(0) * size + edge_index.amax(0)
    pair, order = pair.sort(stable=True)
    return order, 2 if len(order) % 2 == 0 and torch.equal(pair[::2], pair[1::2]) else 1


def _divided(x: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Return a vector divided by its norm, and the norm, with a finite derivative at 0."""
    square = x.square().sum(dim, keepdim=True)
    above = square > TINY
    norm = torch.where(above, square, 1).sqrt()
    return x / norm, norm * above


def neighbors(h: Features, edges: Edges, outputs: Iterable[int]) -> dict[Pair, Tensor]:
    """Map the features of every edge's source by all couplings with the output types.

    Shapes:
        returns ``[E, 2 b + 1, (2 min(a, b) + 1) * channels]`` for each (a, b).
    """
    outputs, found = list(outputs), {}
    for a, x in h.items():
        near = gather(x, edges.source)
        for b in outputs:
            count = (2 * min(a, b) + 1) * x.size(2)
            found[a, b] = (edges.couplings[a, b] @ near).view(len(near), 2 * b + 1, count)
    return found


class Kernel(nn.Module):
    r"""Linear map from features of a neighbor to messages, with weights that depend on the edge.

    .. math:: m^b = \sum_a \sum_J R^{ab}_J(e)\, K^J_{ab}(u)\, h^a

    where :math:`R^{ab}(e)`, matrices over the channels, are networks of the features e of the edge, such as
    its length: two hidden layers with layer norm and ReLU for every (a, b).

    Args:
        inputs, outputs: number of channels of each type.
        edge_dim: number of features of an edge.
        radial: width of the hidden layers.

    Shapes:
        near from :func:`neighbors`; returns ``[E, 2 b + 1, channels]`` for each b.
    """

    def __init__(self, inputs: Types, outputs: Types, edge_dim: int = 1, radial: int = 32) -> None:
        super().__init__()
        self.outputs = dict(outputs)
        self.pairs = [(a, b) for b in outputs for a in inputs]
        self.radial = nn.Sequential(
            _RadialLayer(len(self.pairs), edge_dim, radial), _RadialLayer(len(self.pairs), radial, radial)
        )
        sizes = ((2 * min(a, b) + 1) * inputs[a] * outputs[b] for a, b in self.pairs)
        self.weights = nn.ModuleList(nn.Linear(radial, size) for size in sizes)
        for weights in self.weights:
            nn.init.kaiming_uniform_(weights.weight)

    def forward(self, near: dict[Pair, Tensor], edges: Edges) -> Features:
        messages: Features = {}
        count, size = len(edges.features), len(edges.source)
        hidden = self.radial(edges.features.expand(len(self.pairs), -1, -1))
        for (a, b), waves, weights in zip(self.pairs, hidden, self.weights, strict=True):
            x = near[a, b]
            x = x.view(count, edges.share * x.size(1), x.size(2))  # edges that share weights
            matrix = weights(waves).view(count, x.size(2), self.outputs[b])
            messages[b] = torch.baddbmm(messages[b], x, matrix) if b in messages else x @ matrix
        return {b: m.view(size, 2 * b + 1, m.size(2)) for b, m in messages.items()}


class _RadialLayer(nn.Module):
    """Linear map, layer norm and ReLU of several networks at once, ``[count, E, in]`` to ``[..., out]``."""

    def __init__(self, count: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(count, inputs, outputs).uniform_(-1, 1) * (6 / inputs) ** 0.5)
        self.bias = nn.Parameter(torch.empty(count, 1, outputs).uniform_(-1, 1) / inputs**0.5)
        self.gain = nn.Parameter(torch.ones(count, 1, outputs))
        self.shift = nn.Parameter(torch.zeros(count, 1, outputs))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.baddbmm(self.bias, x, self.weight)
        return torch.addcmul(self.shift, self.gain, layer_norm(x, x.shape[-1:])).relu()


class TypewiseLinear(nn.ModuleDict):
    """Linear map over the channels of every type that inputs and outputs share (self-interaction)."""

    def __init__(self, inputs: Types, outputs: Types) -> None:
        shared = [kind for kind in inputs if kind in outputs]
        super().__init__({str(k): nn.Linear(inputs[k], outputs[k], bias=False) for k in shared})
        for layer in self.values():
            nn.init.normal_(layer.weight, std=layer.in_features**-0.5)

    def forward(self, h: Features) -> Features:
        return {int(kind): layer(h[int(kind)]) for kind, layer in self.items()}


class Convolution(nn.Module):
    r"""Convolution of a tensor field network, with self-interaction.

    .. math:: h_i^b \leftarrow \frac{1}{n_i} \sum_j m_{ij}^b + W^b h_i^b
    """

    def __init__(self, inputs: Types, outputs: Types, edge_dim: int = 1, radial: int = 32) -> None:
        super().__init__()
        self.kernel = Kernel(inputs, outputs, edge_dim, radial)
        self.own = TypewiseLinear(inputs, outputs)

    def forward(self, h: Features, edges: Edges) -> Features:
        messages = self.kernel(neighbors(h, edges, self.kernel.outputs), edges)
        own, size = self.own(h), len(next(iter(h.values())))
        means = {b: mean(m.flatten(1), edges.target, size) for b, m in messages.items()}
        means = {b: m.view(size, 2 * b + 1, -1) for b, m in means.items()}
        return {b: m + own[b] if b in own else m for b, m in means.items()}


class NormActivation(nn.Module):
    r"""Nonlinearity of the norms of features, which keeps their directions.

    .. math:: h^l \leftarrow \phi^l(|h^l|)\, h^l / |h^l|, \qquad \phi = W\, \mathrm{ReLU} \circ \mathrm{LN}

    with a layer norm over the channels of each type.

    Args:
        types: number of channels of each type.
        linear: whether there is a linear map W.
    """

    def __init__(self, types: Types, linear: bool) -> None:
        super().__init__()
        self.maps = nn.ModuleDict()
        for kind, channels in types.items():
            last = [nn.Linear(channels, channels)] if linear else []
            for layer in last:
                nn.init.kaiming_uniform_(layer.weight)
            self.maps[str(kind)] = nn.Sequential(nn.LayerNorm(channels), nn.ReLU(), *last)

    def forward(self, h: Features) -> Features:
        found = {}
        for kind, x in h.items():
            direction, norm = _divided(x, dim=1)
            found[kind] = self.maps[str(kind)](norm) * direction
        return found
