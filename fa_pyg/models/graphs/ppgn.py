"""PPGN: a network on pairs of nodes, as powerful as the 3-WL test."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from fa_pyg import checks
from fa_pyg.models.graphs.dense import Dense, dense_batches, in_order
from fa_pyg.models.graphs.readout import Activation, Head, checked_batch, is_mean, widths

__all__ = ["PPGN"]


class PPGN(nn.Module):
    r"""The network of "Provably Powerful Graph Networks" (Maron et al. 2019): matrix products of features of
    pairs. Invariant to the order of the nodes.

    .. math:: H^{(0)} = [A, I, \mathrm{diag}(x)], \qquad
              H^{(l+1)} = a\big(W [\phi_1(H^{(l)})\, \phi_2(H^{(l)}),\, H^{(l)}]\big), \qquad
              y = \mathrm{head}\Big(\Big[\sum_i H^{(l)}_{ii}, \sum_{i \ne j} H^{(l)}_{ij}\Big]_{l \ge 1}\Big)

    with the product of n x n matrices channel by channel, perceptrons :math:`\phi` on channels, and
    :math:`a = \mathrm{relu}`. As in the comparison of Balcilar et al. 2021, which has 3 blocks: of width 32
    for graphs of 8 nodes, of width 20 without biases for EXP; ``depth=1``; and to classify, means for sums.

    Graphs are run in dense parts of nearly equal sizes, so that time and memory follow the sum of n^3 and n^2
    over the graphs, not the largest of them; padding never reaches the output.

    Args:
        in_channels: F, node features.
        hidden: channels.
        num_layers: blocks.
        out_channels: of the output.
        depth: layers of each perceptron. Maron et al.: 2.
        bias: of the layers on channels.
        act: of the head.
        readout: ``"sum"`` or ``"mean"``.
        head: hidden width of the head; default None: it is one linear map.

    Shapes:
        x ``[N, F]``, edge_index ``[2, E]``, batch ``[N]`` (None: one graph); returns ``[B, out_channels]``.
    """

    def __init__(
        self,
        in_channels: int,
        hidden: int,
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
        sizes = widths(in_channels + 2, hidden, num_layers)
        self.blocks = nn.ModuleList(_Block(a, b, depth, bias) for a, b in pairwise(sizes))
        self.width = 2 * sum(sizes[1:])
        self.head = Head(self.width, out_channels, head, act)

    def forward(self, x: Tensor, edge_index: Tensor, batch: Tensor | None = None) -> Tensor:
        batch = checked_batch(x, edge_index, batch, self.in_channels)
        parts = dense_batches(edge_index, batch)
        read = [self._read(pairs(x, edge_index.size(1), part), part) for part in parts]
        return self.head(in_order(parts, read, x.new_zeros(0, self.width)))

    def _read(self, h: Tensor, part: Dense) -> Tensor:
        """The sums or means over both kinds of pairs, block by block, ``[b, 2 * channels of all blocks]``."""
        mask, sums = part.mask.to(h.dtype), []
        for block in self.blocks:
            h = block(h, None if part.full else mask)
            sums += self._sums(h, mask)
        return torch.cat(sums).T

    def _sums(self, h: Tensor, mask: Tensor) -> list[Tensor]:
        own = (h.diagonal(dim1=2, dim2=3) * mask).sum(-1)  # [C, b]
        total = ((h @ mask.unsqueeze(-1)).squeeze(-1) * mask).sum(-1)
        if not self.mean:
            return [own, total - own]
        n = mask.sum(-1)
        return [own / n.clamp(min=1), (total - own) / (n * n - n).clamp(min=1)]


class _Block(nn.Module):
    """One block: ``[C, b, n, n]`` to ``[C', b, n, n]``. What lies at places without nodes has no meaning."""

    def __init__(self, channels: int, hidden: int, depth: int, bias: bool) -> None:
        super().__init__()
        self.left = _ChannelMLP(channels, hidden, depth, bias)
        self.right = _ChannelMLP(channels, hidden, depth, bias)
        self.skip = _ChannelMLP(channels + hidden, hidden, 1, bias)

    def forward(self, h: Tensor, mask: Tensor | None) -> Tensor:
        left, right = self.left(h), self.right(h)
        if mask is not None:  # the one place where pairs meet: places without nodes drop out of the sum
            left = left * mask[:, None, :]
        return self.skip(torch.cat([left @ right, h]))


class _ChannelMLP(nn.Sequential):
    """Linear maps of the first axis, each with its relu, started as Maron et al. do (Glorot, no bias).

    Channels come first: a map is one product of large matrices, and the n x n matrices lie in one piece each.
    """

    def __init__(self, channels: int, hidden: int, depth: int, bias: bool) -> None:
        sizes = widths(channels, hidden, depth)
        super().__init__(*(nn.Linear(a, b, bias) for a, b in pairwise(sizes)))
        for layer in self:
            nn.init.xavier_uniform_(layer.weight)
            if bias:
                nn.init.zeros_(layer.bias)

    def forward(self, h: Tensor) -> Tensor:
        shape, h = h.shape[1:], h.flatten(1)
        for layer in self:
            weight, bias = layer.weight, layer.bias
            h = torch.relu(weight @ h if bias is None else torch.addmm(bias.unsqueeze(1), weight, h))
        return h.view(-1, *shape)


def pairs(x: Tensor, edges: int, part: Dense) -> Tensor:
    """Adjacency, identity and features on the diagonal, ``[2 + F, b, n, n]``."""
    adjacency = part.edges(x.new_ones(1).expand(edges))
    node = torch.cat([x.new_ones(len(part.node), 1), x.index_select(0, part.node)], dim=1).T
    diagonal = x.new_zeros(len(node), adjacency.numel()).index_copy(1, part.diagonal, node)
    return torch.cat([adjacency.unsqueeze(0), diagonal.view(-1, *adjacency.shape)])
