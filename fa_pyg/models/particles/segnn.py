"""SEGNN for n-body systems."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, silu

from fa_pyg import checks
from fa_pyg.math.linalg import gather, mean, scatter_sum
from fa_pyg.models.particles.edges import (
    check_system,
    displacements,
    graph_index,
    graph_means,
    read_edges,
)

__all__ = ["SEGNN", "SteerableLinear"]

Steerable = tuple[Tensor, Tensor]  # scalars [N, channels], vectors [N, 3, channels]
Widths = tuple[int, int]  # number of scalars, number of vectors


class SteerableLinear(nn.Module):
    r"""Linear map of scalars and vectors that is steered by an attribute: a scalar a and a vector b.

    .. math:: s' = W_1 (a s) + W_2 (b \cdot v) / \sqrt 3 + c, \qquad v' = W_3 (a v) + b\, W_4 s

    the tensor product of features and attributes of l = 0 and 1 with parity :math:`(-1)^l`, as
    ``e3nn.o3.FullyConnectedTensorProduct``. Equivariant to O(3).

    Args:
        inputs, outputs: number of scalars and of vectors.
        gate: apply SiLU to scalars, and multiply vectors by the sigmoid of further scalars.

    Shapes:
        scalars ``[N, channels]``, vectors ``[N, 3, channels]``; attributes ``[N, 1]`` and ``[N, 3]``.
    """

    def __init__(self, inputs: Widths, outputs: Widths, gate: bool = False) -> None:
        super().__init__()
        self.outputs, self.gate = outputs, gate
        scalars = outputs[0] + gate * outputs[1]
        self.to_scalars = nn.Linear(sum(inputs), scalars) if scalars else None
        self.to_vectors = nn.Linear(sum(inputs), outputs[1], bias=False)
        self.inputs = inputs

    def forward(self, s: Tensor, v: Tensor, attribute: Steerable) -> Steerable:
        a, b = attribute
        straight, steered = self.to_vectors.weight.split([self.inputs[1], self.inputs[0]], dim=1)
        vectors = (a.unsqueeze(1) * v) @ straight.T + b.unsqueeze(2) * (s @ steered.T).unsqueeze(1)
        if self.to_scalars is None:
            return s.new_zeros(len(s), 0), vectors
        along = (b.unsqueeze(2) * v).sum(1) / math.sqrt(3)
        scalars = self.to_scalars(torch.cat([a * s, along], dim=1))
        if not self.gate:
            return scalars, vectors
        scalars, gates = scalars.split(list(self.outputs), dim=1)
        return silu(scalars), gates.sigmoid().unsqueeze(1) * vectors


class SEGNN(nn.Module):
    r"""Steerable E(3)-equivariant network for particle systems (Brandstetter et al. 2022).

    "Geometric and Physical Quantities Improve E(3) Equivariant Message Passing", with features and attributes
    of l up to 1, as in its n-body experiment.

    .. math:: m_{ij} = \phi_m\big(h_i, h_j, |x_i - x_j|, q_i q_j;\, a_{ij}\big), \qquad
              h_i \leftarrow h_i + \phi_h\Big(h_i, \sum_j m_{ij};\, a_i\Big), \qquad
              y_i = x_i + \phi_x(h_i;\, a_i)

    with networks of two layers that are steered by attributes a (``SteerableLinear``): harmonics of the
    direction from i to j for edges; their mean, and harmonics of the velocity, for nodes. Positions
    relative to the centroid, velocities and speeds are the first features. Equivariant to E(3) and to the
    order of the particles.

    Args:
        hidden_channels: features of a network without steering, whose matrices have as many weights: half of
            it is the number of scalars and of vectors; even; published: 64.
        num_layers: number of message-passing layers; published: 4.

    Shapes:
        pos, vel ``[N, 3]``, edge_index ``[2, E]`` from source to target without self-loops, edge_attr
        ``[E, 1]`` (the product of charges), batch ``[N]`` (None: one graph); returns positions ``[N, 3]``.
        ``charge`` is ignored: all models of the benchmark have the same signature.

    Raises:
        ValueError: for arguments out of range, missing edges, and other than one feature of each edge.

    Not guaranteed: derivatives at a velocity of 0, and at particles in one place. Differs from the released
    code in that positions are centered on every graph's centroid, where that code subtracts the mean of each
    particle's three coordinates, which is not equivariant, and in that activations are not scaled to unit
    second moment. It needs no e3nn.
    """

    def __init__(self, hidden_channels: int = 64, num_layers: int = 4) -> None:
        super().__init__()
        checks.size("hidden_channels", hidden_channels)
        checks.integer("num_layers", num_layers, 0, checks.DEEP)
        if hidden_channels % 2:
            checks.refuse("hidden_channels", "an even number", hidden_channels)
        width = hidden_channels // 2
        self.embed = SteerableLinear((1, 2), (width, width))
        self.layers = nn.ModuleList(_SEGNNLayer(width) for _ in range(num_layers))
        self.decode = SteerableLinear((width, width), (width, width), gate=True)
        self.displacement = SteerableLinear((width, width), (0, 1))

    def forward(
        self,
        pos: Tensor,
        vel: Tensor,
        charge: Tensor | None = None,
        edge_index: Tensor | None = None,
        edge_attr: Tensor | None = None,
        batch: Tensor | None = None,
    ) -> Tensor:
        check_system(pos, vel, edge_index, 3)
        source, target, charges = read_edges(edge_index, edge_attr, 1)
        r = displacements(pos, target, source)
        pair = torch.cat([r.norm(dim=1, keepdim=True), charges], dim=1)
        of_edge, of_node = _attributes(r, vel, target)
        centered = pos - graph_means(pos, graph_index(batch))
        h = self.embed(vel.norm(dim=1, keepdim=True), torch.stack([centered, vel], dim=2), of_node)
        for layer in self.layers:
            h = layer(h, pair, of_edge, of_node, source, target)
        return pos + self.displacement(*self.decode(*h, of_node), of_node)[1].squeeze(2)


def _attributes(r: Tensor, vel: Tensor, target: Tensor) -> tuple[Steerable, Steerable]:
    """Return harmonics of the edges, and their means plus those of the velocities, with 1 as the scalar."""
    y0, y1 = math.sqrt(1 / (4 * math.pi)), math.sqrt(3 / (4 * math.pi))
    along = y1 * normalize(r, dim=1, eps=1e-6)
    of_node = mean(along, target, len(vel)) + y1 * normalize(vel, dim=1, eps=1e-6)
    return (torch.full_like(r[:, :1], y0), along), (torch.ones_like(vel[:, :1]), of_node)


class _SEGNNLayer(nn.Module):
    """Message-passing layer with steered messages and updates."""

    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = (width, width)
        self.message_in = SteerableLinear((2 * width + 2, 2 * width), hidden, gate=True)
        self.message_out = SteerableLinear(hidden, hidden, gate=True)
        self.update_in = SteerableLinear((2 * width, 2 * width), hidden, gate=True)
        self.update_out = SteerableLinear(hidden, hidden)

    def forward(
        self,
        h: Steerable,
        pair: Tensor,
        of_edge: Steerable,
        of_node: Steerable,
        source: Tensor,
        target: Tensor,
    ) -> Steerable:
        s, v = (torch.cat([gather(x, target), gather(x, source)], dim=-1) for x in h)
        m = self.message_in(torch.cat([s, pair], dim=1), v, of_edge)
        total = [scatter_sum(x, target, len(h[0])) for x in self.message_out(*m, of_edge)]
        s, v = (torch.cat(both, dim=-1) for both in zip(h, total, strict=True))
        s, v = self.update_out(*self.update_in(s, v, of_node), of_node)
        return h[0] + s, h[1] + v
