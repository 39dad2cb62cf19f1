"""A small equivariant network, from the vectors of a cloud to a few vectors per graph."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fa_pyg import checks
from fa_pyg.math.linalg import scatter_sum
from fa_pyg.renamed import renamed

__all__ = ["VectorNet"]

_WAVES = 4  # cosines of each invariant, so that a narrow net distinguishes lengths, weights and channels


class VectorNet(nn.Module):
    r"""Equivariant network of sums of a graph's vectors with invariant coefficients, iteratively refined.

    .. math:: u^{t+1}_m = u^t_m + \frac1{\sqrt n} \sum_i \phi^t_m(h^t_i)\, x_i, \qquad
              h^{t+1}_i = h^t_i + \psi^t(h^t_i,\ x_i \cdot u^{t+1},\ |u^{t+1}|^2), \qquad
              v_k = \sum_m W_{km} u_m

    As in E(n)-equivariant networks (Satorras et al. 2021) and vector neurons (Deng et al. 2021), but with the
    graph vectors u in place of edges, so that it costs O(N) and does not need edges. Equivariant to rotations
    and reflections, invariant to permutations of the nodes.

    Args:
        out: number of vectors that are returned for each graph.
        hidden_channels: width of the invariants h.
        inner: number of vectors u.
        rounds: number of rounds T.

    Shapes:
        vectors ``[N, C, d]``, any C and d, each channel scaled to a root mean square of 1 in each graph;
        scalars ``[N, 1]`` > 0, invariant; batch ``[N]``; returns ``[B, out, d]``.

    Not guaranteed: linearly independent vectors. They have the symmetry of the input: those of methane are 0.
    """

    @renamed(hidden="hidden_channels")
    def __init__(self, out: int, hidden_channels: int = 32, inner: int = 8, rounds: int = 3) -> None:
        super().__init__()
        checks.size("out", out)
        checks.size("hidden_channels", hidden_channels)
        checks.size("inner", inner)
        checks.integer("rounds", rounds, 1, checks.DEEP)
        self.embed = _mlp(4 * _WAVES, hidden_channels, hidden_channels)
        self.weigh = nn.ModuleList(_linear(hidden_channels, inner) for _ in range(rounds))
        self.update = nn.ModuleList(
            _mlp(hidden_channels + 2 * inner, hidden_channels, hidden_channels) for _ in range(rounds - 1)
        )
        self.mix = _linear(inner, out, bias=False)

    def forward(self, vectors: Tensor, scalars: Tensor, batch: Tensor, num_graphs: int) -> Tensor:
        x, features, index = _rows(vectors, scalars, batch, num_graphs)
        h, u = self.embed(features), x.new_zeros(num_graphs, self.mix.in_features, x.size(-1))
        for step, weigh in enumerate(self.weigh):
            if step:
                seen = u.index_select(0, index)
                inside = (seen * x.unsqueeze(1)).sum(-1)
                h = h + self.update[step - 1](torch.cat([h, inside, seen.square().sum(-1)], dim=-1))
            u = u + _sum(weigh(h).unsqueeze(-1) * x.unsqueeze(1), index, num_graphs, -0.5)
        return (self.mix.weight.unsqueeze(-1) * u.unsqueeze(1)).sum(2)


def _rows(vectors: Tensor, scalars: Tensor, batch: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """All channels as rows, normalized, with their invariants and their graphs."""
    channels = vectors.size(1)
    number = torch.arange(channels, device=batch.device)
    own = (batch.unsqueeze(1) * channels + number).flatten()
    x = vectors.flatten(0, 1)
    square = _sum((x * x).sum(-1), own, size * channels, -1.0)
    # A channel of zeros does not have a scale; the derivative of the root would be infinite.
    square = torch.where(square == 0, torch.ones_like(square), square)
    x = x * square.rsqrt().index_select(0, own).unsqueeze(-1)
    invariants = [
        (x * x).sum(-1).log1p(),
        square.log().index_select(0, own)
        / 10,  # so that scales from 1e-6 to 1e6 are distinct, but not too far apart
        scalars.log1p().flatten().repeat_interleave(channels),
        number.to(x).repeat(batch.size(0)),
    ]
    waves = torch.arange(1, _WAVES + 1, device=x.device)
    features = (torch.stack(invariants, dim=-1).unsqueeze(-1) * waves).cos().flatten(1)
    return x, features, batch.repeat_interleave(channels)


def _sum(x: Tensor, index: Tensor, size: int, power: float) -> Tensor:
    """The sum over the n rows of each graph, times a power of n."""
    count = torch.bincount(index, minlength=size).clamp(min=1).to(x.dtype)
    return scatter_sum(x, index, size) * count.pow(power).view(-1, *(1,) * (x.dim() - 1))


def _mlp(inputs: int, hidden: int, outputs: int) -> nn.Module:
    return nn.Sequential(_linear(inputs, hidden), nn.SiLU(), _linear(hidden, outputs))


def _linear(inputs: int, outputs: int, bias: bool = True) -> nn.Linear:
    """A linear layer with orthogonal weights: frames of nearly parallel vectors would be ill-conditioned."""
    layer = nn.Linear(inputs, outputs, bias)
    nn.init.orthogonal_(layer.weight, gain=2**0.5)
    return layer
