"""Equivariant kernels between features of types l, and nonlinearities of their norms."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm

from fa_pyg.math.linalg import gather, mean
from fa_pyg.models.particles.couplings import Edges, Features, Pair, Types, unit_and_norm
from fa_pyg.typed import Modules

__all__ = ["Convolution", "Kernel", "NormActivation", "TypewiseLinear", "neighbors"]


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
        self.weights: Modules[nn.Linear] = Modules(nn.Linear(radial, size) for size in sizes)
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
        layers = {str(k): nn.Linear(inputs[k], outputs[k], bias=False) for k in shared}
        super().__init__(layers)
        for layer in layers.values():
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
        means = {b: m.view(size, 2 * b + 1, messages[b].size(2)) for b, m in means.items()}
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
            direction, norm = unit_and_norm(x)
            found[kind] = self.maps[str(kind)](norm) * direction
        return found
