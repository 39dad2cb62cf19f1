"""GNNML3: message passing through functions of the Laplacian's spectrum."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fa_pyg import checks
from fa_pyg.models.graphs.dense import Dense, dense_batches, in_order
from fa_pyg.models.graphs.readout import Activation, Head, checked_batch, is_mean
from fa_pyg.models.graphs.supports import check_spectrum, gnnml3_supports

__all__ = ["GNNML3"]


class GNNML3(nn.Module):
    r"""The network of "Breaking the Limits of Message Passing Graph Neural Networks" (Balcilar et al. 2021):
    convolutions with learned functions of spectral supports, beside a product of features. Invariant to the
    order of the nodes.

    .. math:: h' = \Big[a\Big(\sum_s C'_s h W_s + b\Big),\; \tanh(h U + u) \odot \tanh(h V + v)\Big], \qquad
              C'_{ij} = \mathrm{relu}\big(P\, [\mathrm{relu}(Q_1 C_{ij}),\,
              \tanh(Q_2 C_{ij}) \odot \tanh(Q_3 C_{ij})]\big)

    with the supports C of :func:`~fa_pyg.models.gnnml3_supports`, :math:`C_{ij}` the vector of a pair, and
    :math:`a = \mathrm{relu}`; then the sum or mean of the nodes and a head.

    Args:
        in_channels: F, node features. Published: those of the data and the degree.
        hidden: width of a layer; a third of it, rounded down, is the product's. Published: 48, of 32 and 16.
        num_layers: published: 3.
        out_channels: of the output.
        frequencies, bandwidth, reach: of the supports.
        act: of the head.
        readout: ``"sum"`` or ``"mean"``; published: to separate graphs, to classify them.
        head: hidden width of the head; default None: it is one linear map.

    Shapes:
        x ``[N, F]``, edge_index ``[2, E]`` with both directions, batch ``[N]`` (None: one graph),
        support_index ``[2, P]`` and support_attr ``[P, frequencies + 1]``, as
        :class:`~fa_pyg.models.GNNML3Supports` keeps them with the data: computed where they are not given,
        which takes an eigen-decomposition of each graph. Returns ``[B, out_channels]``.

    Raises:
        ValueError: for supports of another number or without their pairs; for wrong shapes.
    """

    def __init__(
        self,
        in_channels: int,
        hidden: int,
        num_layers: int,
        out_channels: int,
        frequencies: int = 5,
        bandwidth: float = 2.0,
        reach: int = 1,
        act: Activation = nn.functional.relu,
        readout: str = "sum",
        head: int | None = None,
    ) -> None:
        super().__init__()
        checks.size("in_channels", in_channels, 0)
        checks.size("hidden", hidden, 3)
        checks.integer("num_layers", num_layers, 1, checks.DEEP)
        check_spectrum(frequencies, bandwidth, reach)
        self.in_channels, self.hidden, self.mean = in_channels, hidden, is_mean(readout)
        self.spectrum = {"frequencies": frequencies, "bandwidth": bandwidth, "reach": reach}
        sizes = [in_channels] + [hidden] * (num_layers - 1)
        self.layers = nn.ModuleList(_Layer(size, hidden, frequencies + 1) for size in sizes)
        self.head = Head(hidden, out_channels, head, act)

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor,
        batch: Tensor | None = None,
        support_index: Tensor | None = None,
        support_attr: Tensor | None = None,
    ) -> Tensor:
        batch = checked_batch(x, edge_index, batch, self.in_channels)
        if support_index is None and support_attr is None:
            support_index, support_attr = gnnml3_supports(edge_index, batch, **self.spectrum)
        self._check(support_index, support_attr)
        parts = dense_batches(support_index, batch)
        read = [self._read(x, support_attr.to(x.dtype), part) for part in parts]
        return self.head(in_order(parts, read, x.new_zeros(0, self.hidden)))

    def _check(self, index: Tensor | None, supports: Tensor | None) -> None:
        if index is None or supports is None:
            raise ValueError("support_index, support_attr: expected both or neither, found one")
        expected = [index.size(-1), self.spectrum["frequencies"] + 1]
        if list(supports.shape) != expected:
            raise ValueError(f"support_attr: expected {expected}, found {list(supports.shape)}")

    def _read(self, x: Tensor, supports: Tensor, part: Dense) -> Tensor:
        """The sum or mean of the nodes of some graphs ``[b, hidden]``."""
        h, own = part.nodes(x), supports.index_select(0, part.edge)
        for layer in self.layers:
            h = layer(h, own, part)
        mask = part.mask.to(h.dtype)
        total = (mask.unsqueeze(1) @ h).squeeze(1)
        return total / mask.sum(1, keepdim=True).clamp(min=1) if self.mean else total


class _Layer(nn.Module):
    """One layer on the nodes of a part ``[b, n, F]`` and the supports of its pairs ``[e, S]``."""

    def __init__(self, channels: int, hidden: int, supports: int) -> None:
        super().__init__()
        product = hidden // 3
        self.wide = nn.Linear(supports, 6 * supports, bias=False)  # Q_1, Q_2 and Q_3
        self.narrow = nn.Linear(4 * supports, supports, bias=False)  # P
        self.weight = nn.Parameter(torch.empty(supports, channels, hidden - product))
        self.bias = nn.Parameter(torch.zeros(hidden - product))
        self.factors = nn.Linear(channels, 2 * product)  # U and V
        for matrix in self.weight:  # each by itself: of three axes Glorot's rule has another meaning
            nn.init.xavier_uniform_(matrix)

    def learned(self, supports: Tensor) -> Tensor:
        first, second = self.wide(supports).tensor_split([2 * supports.size(1)], dim=1)
        u, v = torch.tanh(second).chunk(2, dim=1)
        return torch.relu(self.narrow(torch.cat([torch.relu(first), u * v], dim=1)))

    def forward(self, h: Tensor, supports: Tensor, part: Dense) -> Tensor:
        b, n, s = *h.shape[:2], len(self.weight)
        matrices = h.new_zeros(b * n * n, s).index_add(0, part.pair, self.learned(supports))
        mapped = h @ self.weight.movedim(0, 1).flatten(1)  # [b, n, S * hidden]: all supports at once
        # sum_j sum_s C'_ijs (h W_s)_j is one product, over places and supports together.
        spread = matrices.view(b, n, n * s) @ mapped.view(b, n * s, -1)
        u, v = torch.tanh(self.factors(h)).chunk(2, dim=2)
        return torch.cat([torch.relu(spread + self.bias), u * v], dim=2)
