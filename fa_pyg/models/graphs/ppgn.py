"""Provably powerful graph network (PPGN): a network on pairs of nodes, as powerful as the 3-WL test."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from fa_pyg import checks
from fa_pyg.models.graphs.dense import Dense, dense_batches, in_order
from fa_pyg.models.graphs.readout import Activation, OutputMLP, checked_batch, is_mean, widths
from fa_pyg.renamed import renamed

__all__ = ["PPGN"]


class PPGN(nn.Module):
    r"""Provably powerful graph network (Maron et al. 2019): matrix products of features of node pairs.

    Invariant to the order of the nodes.

    .. math:: H^{(0)} = [A, I, \mathrm{diag}(x)], \qquad
              H^{(l+1)} = a\big(W [\phi_1(H^{(l)})\, \phi_2(H^{(l)}),\, H^{(l)}]\big), \qquad
              y = \mathrm{head}\Big(\Big[\sum_i H^{(l)}_{ii}, \sum_{i \ne j} H^{(l)}_{ij}\Big]_{l \ge 1}\Big)

    with the product of n x n matrices taken channel by channel, MLPs :math:`\phi` on channels, and
    :math:`a = \mathrm{relu}`. The comparison of Balcilar et al. 2021 has 3 blocks with ``depth=1``: 32
    channels for graphs of 8 nodes, 20 channels without biases for EXP; means instead of sums to classify.

    Graphs are padded in groups of similar size, so that time and memory scale with the sums of n^3 and n^2
    over the graphs, not with the largest graph; padding does not change the output.

    Args:
        in_channels: F, number of node features.
        hidden_channels: channels of every block.
        num_layers: number of blocks.
        out_channels: width of the output.
        depth: number of layers of the MLPs on channels. Maron et al.: 2.
        bias: whether these layers have biases.
        act: activation of the output MLP.
        readout: ``"sum"`` or ``"mean"``.
        head: hidden width of the output MLP; None for a linear map.

    Shapes:
        x ``[N, F]``, edge_index ``[2, E]``, batch ``[N]`` (None: one graph); returns ``[B, out_channels]``.

    Raises:
        ValueError: for arguments out of range, and for wrong shapes.
    """

    @renamed(hidden="hidden_channels")
    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
        num_layers: int,
        out_channels: int,
        depth: int = 1,
        bias: bool = True,
        act: Activation = nn.functional.relu,
        readout: str = "sum",
        head: int | None = None,
    ) -> None:
        super().__init__()
        checks.size("in_channels", in_channels, 0)
        checks.integer("depth", depth, 1, checks.DEEP)
        checks.flag("bias", bias)
        self.in_channels, self.mean = in_channels, is_mean(readout)
        sizes = widths(in_channels + 2, hidden_channels, num_layers)
        self.blocks = nn.ModuleList(_Block(a, b, depth, bias) for a, b in pairwise(sizes))
        self.width = 2 * sum(sizes[1:])
        self.head = OutputMLP(self.width, out_channels, head, act)

    def forward(self, x: Tensor, edge_index: Tensor, batch: Tensor | None = None) -> Tensor:
        batch = checked_batch(x, edge_index, batch, self.in_channels)
        parts = dense_batches(edge_index, batch)
        read = [self._read(_pairs(x, edge_index.size(1), part), part) for part in parts]
        return self.head(in_order(parts, read, x.new_zeros(0, self.width)))

    def _read(self, h: Tensor, part: Dense) -> Tensor:
        """Sum or mean over diagonal and other pairs after every block, ``[b, 2 * all channels]``."""
        mask, sums = part.mask.to(h.dtype), []
        for block in self.blocks:
            h = block(h, None if part.full else mask)
            sums += self._sums(h, mask)
        return torch.cat(sums).T

    def _sums(self, h: Tensor, mask: Tensor) -> list[Tensor]:
        diagonal = (h.diagonal(dim1=2, dim2=3) * mask).sum(-1)  # [C, b]
        total = ((h @ mask.unsqueeze(-1)).squeeze(-1) * mask).sum(-1)
        if not self.mean:
            return [diagonal, total - diagonal]
        n = mask.sum(-1)
        return [diagonal / n.clamp(min=1), (total - diagonal) / (n * n - n).clamp(min=1)]


class _Block(nn.Module):
    """Block, ``[C, b, n, n]`` to ``[C', b, n, n]``; values of padding are undefined."""

    def __init__(self, in_channels: int, out_channels: int, depth: int, bias: bool) -> None:
        super().__init__()
        self.left = _ChannelMLP(in_channels, out_channels, depth, bias)
        self.right = _ChannelMLP(in_channels, out_channels, depth, bias)
        self.skip = _ChannelMLP(in_channels + out_channels, out_channels, 1, bias)

    def forward(self, h: Tensor, mask: Tensor | None) -> Tensor:
        left, right = self.left(h), self.right(h)
        if mask is not None:  # the only sum over nodes: leave out padding
            left = left * mask[:, None, :]
        return self.skip(torch.cat([left @ right, h]))


class _ChannelMLP(nn.Sequential):
    """Linear maps of the first axis with relu, initialized as by Maron et al. (Glorot, zero bias).

    Channels come first: a map is a single product of large matrices, and n x n matrices are contiguous.
    """

    def __init__(self, in_channels: int, out_channels: int, depth: int, bias: bool) -> None:
        sizes = widths(in_channels, out_channels, depth)
        super().__init__(*(nn.Linear(a, b, bias) for a, b in pairwise(sizes)))
        for layer in self:
            nn.init.xavier_uniform_(layer.weight)
            if bias:
                nn.init.zeros_(layer.bias)

    if TYPE_CHECKING:

        def __iter__(self) -> Iterator[nn.Linear]: ...

    def forward(self, h: Tensor) -> Tensor:
        shape, h = h.shape[1:], h.flatten(1)
        for layer in self:
            weight, bias = layer.weight, layer.bias
            h = torch.relu(weight @ h if bias is None else torch.addmm(bias.unsqueeze(1), weight, h))
        return h.view(-1, *shape)


def _pairs(x: Tensor, edges: int, part: Dense) -> Tensor:
    """Adjacency, identity, and features on the diagonal, ``[2 + F, b, n, n]``."""
    adjacency = part.edges(x.new_ones(1).expand(edges))
    node = torch.cat([x.new_ones(len(part.node), 1), x.index_select(0, part.node)], dim=1).T
    diagonal = x.new_zeros(len(node), adjacency.numel()).index_copy(1, part.diagonal, node)
    return torch.cat([adjacency.unsqueeze(0), diagonal.view(-1, *adjacency.shape)])
