"""SE(3)-Transformer for n-body systems."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch_geometric.utils import softmax

from fa_pyg import checks
from fa_pyg.math.linalg import gather, scatter_sum
from fa_pyg.models.particles.couplings import Couplings, Edges, Features, Types
from fa_pyg.models.particles.kernels import (
    Convolution,
    Kernel,
    NormActivation,
    TypewiseLinear,
    neighbors,
)
from fa_pyg.models.particles.tfn import typed_inputs

__all__ = ["SE3Transformer"]


class SE3Transformer(nn.Module):
    r"""SE(3)-Transformer for particle systems (Fuchs et al. 2020), as the n-body baseline.

    "SE(3)-Transformers: 3D Roto-Translation Equivariant Attention Networks", in the form of the n-body
    experiment of Satorras et al. (2021), "E(n) Equivariant Graph Neural Networks".

    .. math:: z_i^b = \sum_j \alpha_{ij} \sum_a V^{ab}(r_{ij}) h_j^a, \qquad
              \alpha_{ij} = \mathrm{softmax}_j \frac1{\sqrt n} \sum_b (Q^b h_i^b) \cdot
              \sum_a K^{ab}(r_{ij}) h_j^a, \qquad h_i^b \leftarrow \phi(z_i^b)

    with one head, equivariant kernels V and K (``Kernel``), n the size
    of the keys and a nonlinearity :math:`\phi` of the norms, from charges (type 0) and velocities (type 1);
    then a convolution of a tensor field network returns one vector, :math:`y_i = x_i + s\, h_i^1`.

    The baseline of the table has neither skip connections, which its code comments out, nor an output of
    usual size: s is learned and starts at 0.01. So a particle's own features reach the next layer through its
    attention weights alone, until the last layer. ``SE3Transformer(skip=True, scale=None)`` has both, as in
    the paper: :math:`h_i^b \leftarrow \phi(A^b z_i^b + B^b h_i^b)` and s = 1.

    Equivariant to SE(3) and to the order of the particles, but *not* to reflections: all types couple, such
    as two vectors to their cross product.

    Args:
        hidden_channels: number of channels of each type; published: 21.
        num_layers: number of attention layers before the last convolution; published: 4.
        lmax: largest type of hidden features, 1 to 5; published: 2.
        radial: width of the two hidden layers of radial networks; published: 32.
        skip: whether layers have skip connections; published: False.
        scale: initial value of s; None: s = 1 is not learned.

    Shapes:
        pos, vel ``[N, 3]``, charge ``[N, 1]``, edge_index ``[2, E]`` from source to target without
        self-loops; returns positions ``[N, 3]``. ``edge_attr`` and ``batch`` are ignored: all models of the
        benchmark have the same signature.

    Raises:
        ImportError: without e3nn.
        ValueError: for arguments out of range, and missing charges and edges.

    Not guaranteed: derivatives where a norm is 0. The nonlinearity has none there; finite ones are returned.
    """

    def __init__(
        self,
        hidden_channels: int = 21,
        num_layers: int = 4,
        lmax: int = 2,
        radial: int = 32,
        skip: bool = False,
        scale: float | None = 0.01,
    ) -> None:
        super().__init__()
        checks.size("hidden_channels", hidden_channels)
        checks.integer("num_layers", num_layers, 1, checks.DEEP)
        checks.integer("lmax", lmax, 1, 5)
        checks.size("radial", radial)
        checks.flag("skip", skip)
        checks.number("scale", scale, optional=True)
        self.couplings = Couplings(lmax, "SE3Transformer")
        hidden = dict.fromkeys(range(lmax + 1), hidden_channels)
        inputs = [{0: 1, 1: 1}] + [hidden] * (num_layers - 1)
        self.layers = nn.ModuleList(_Attention(types, hidden, radial, skip) for types in inputs)
        self.acts = nn.ModuleList(NormActivation(hidden, linear=False) for _ in range(num_layers))
        self.out = Convolution(hidden, {1: 1}, radial=radial)
        self.scale = None if scale is None else nn.Parameter(torch.tensor(float(scale)))

    def forward(
        self,
        pos: Tensor,
        vel: Tensor,
        charge: Tensor | None = None,
        edge_index: Tensor | None = None,
        edge_attr: Tensor | None = None,
        batch: Tensor | None = None,
    ) -> Tensor:
        h, edge_index = typed_inputs(pos, vel, charge, edge_index)
        edges = Edges.measure(pos, edge_index, self.couplings)
        for layer, act in zip(self.layers, self.acts, strict=True):
            h = act(layer(h, edges))
        shift = self.out(h, edges)[1].squeeze(2)
        return pos + (shift if self.scale is None else self.scale * shift)


class _Attention(nn.Module):
    """Attention of every particle to its neighbors, with one head over all types."""

    def __init__(self, inputs: Types, outputs: Types, radial: int, skip: bool) -> None:
        super().__init__()
        keys = {kind: channels for kind, channels in outputs.items() if kind in inputs}
        self.root = sum((2 * kind + 1) * channels for kind, channels in keys.items()) ** 0.5
        self.value = Kernel(inputs, outputs, radial=radial)
        self.key = Kernel(inputs, keys, radial=radial)
        self.query = TypewiseLinear(inputs, keys)
        self.project = TypewiseLinear(outputs, outputs) if skip else None
        self.own = TypewiseLinear(inputs, outputs) if skip else None

    def forward(self, h: Features, edges: Edges) -> Features:
        near = neighbors(h, edges, self.value.outputs)
        query, key, size = self.query(h), self.key(near, edges), len(h[0])
        products = [(gather(q, edges.target) * key[kind]).sum((1, 2)) for kind, q in query.items()]
        weight = softmax(sum(products) / self.root, edges.target, num_nodes=size).view(-1, 1, 1)
        value = self.value(near, edges).items()
        z = {kind: scatter_sum(weight * v, edges.target, size) for kind, v in value}
        if self.project is None or self.own is None:
            return z
        z, own = self.project(z), self.own(h)
        return {kind: x + own[kind] if kind in own else x for kind, x in z.items()}
