"""GNNML3: spectral graph convolutions with learned functions of the Laplacian."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fa_pyg import checks
from fa_pyg.models.graphs.dense import Dense, dense_batches, in_order
from fa_pyg.models.graphs.readout import Activation, OutputMLP, checked_batch, is_mean
from fa_pyg.models.graphs.supports import check_spectrum, gnnml3_supports
from fa_pyg.renamed import renamed

__all__ = ["GNNML3"]


class GNNML3(nn.Module):
    r"""GNNML3 (Balcilar et al. 2021): convolutions with learned spectral supports, and products of features.

    "Breaking the Limits of Message Passing Graph Neural Networks". Invariant to the order of the nodes.

    .. math:: h' = \Big[a\Big(\sum_s C'_s h W_s + b\Big),\; \tanh(h U + u) \odot \tanh(h V + v)\Big], \qquad
              C'_{ij} = \mathrm{relu}\big(P\, [\mathrm{relu}(Q_1 C_{ij}),\,
              \tanh(Q_2 C_{ij}) \odot \tanh(Q_3 C_{ij})]\big)

    with the supports C of :func:`~fa_pyg.models.gnnml3_supports`, the vector :math:`C_{ij}` of a pair, and
    :math:`a = \mathrm{relu}`; then the sum or mean over the nodes and an output MLP.

    Args:
        in_channels: F, number of node features. Published: those of the data and the degree.
        hidden_channels: width of a layer, of which the product has a third, rounded down. Published: 48, of
            32 and 16.
        num_layers: number of layers; published: 3.
        out_channels: width of the output.
        frequencies, bandwidth, reach: as in :func:`~fa_pyg.models.gnnml3_supports`.
        act: activation of the output MLP.
        readout: ``"sum"`` (published to separate graphs) or ``"mean"`` (published to classify them).
        head: hidden width of the output MLP; None for a linear map.

    Shapes:
        x ``[N, F]``, edge_index ``[2, E]`` in both directions, batch ``[N]`` (None: one graph),
        support_index ``[2, P]`` and support_attr ``[P, frequencies + 1]``, as
        :class:`~fa_pyg.models.GNNML3Supports` stores them in the data (default: computed, which takes an
        eigendecomposition of every graph). Returns ``[B, out_channels]``.

    Raises:
        ValueError: for only one of support_index and support_attr, and for wrong shapes.
    """

    @renamed(hidden="hidden_channels")
    def __init__(
        self,
        in_channels: int,
        hidden_channels: int,
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
        checks.size("hidden_channels", hidden_channels, 3)
        checks.integer("num_layers", num_layers, 1, checks.DEEP)
        check_spectrum(frequencies, bandwidth, reach)
        self.in_channels, self.hidden_channels, self.mean = in_channels, hidden_channels, is_mean(readout)
        self.spectrum = {"frequencies": frequencies, "bandwidth": bandwidth, "reach": reach}
        sizes = [in_channels] + [hidden_channels] * (num_layers - 1)
        self.layers = nn.ModuleList(_SpectralConv(size, hidden_channels, frequencies + 1) for size in sizes)
        self.head = OutputMLP(hidden_channels, out_channels, head, act)

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
        index, supports = self._checked(support_index, support_attr)
        parts = dense_batches(index, batch)
        read = [self._read(x, supports.to(x.dtype), part) for part in parts]
        return self.head(in_order(parts, read, x.new_zeros(0, self.hidden_channels)))

    def _checked(self, index: Tensor | None, supports: Tensor | None) -> tuple[Tensor, Tensor]:
        if index is None or supports is None:
            raise ValueError("support_index, support_attr: expected both or neither, found only one")
        expected = [index.size(-1), self.spectrum["frequencies"] + 1]
        if list(supports.shape) != expected:
            raise ValueError(f"support_attr: expected {expected}, found {list(supports.shape)}")
        return index, supports

    def _read(self, x: Tensor, supports: Tensor, part: Dense) -> Tensor:
        """Sum or mean over the nodes of a part's graphs, ``[b, hidden_channels]``."""
        h, supports = part.nodes(x), supports.index_select(0, part.edge)
        for layer in self.layers:
            h = layer(h, supports, part)
        mask = part.mask.to(h.dtype)
        total = (mask.unsqueeze(1) @ h).squeeze(1)
        return total / mask.sum(1, keepdim=True).clamp(min=1) if self.mean else total


class _SpectralConv(nn.Module):
    """Layer on the padded nodes of a part ``[b, n, F]`` and the supports of its pairs ``[e, S]``."""

    def __init__(self, in_channels: int, out_channels: int, supports: int) -> None:
        super().__init__()
        product = out_channels // 3
        self.wide = nn.Linear(supports, 6 * supports, bias=False)  # Q_1, Q_2 and Q_3
        self.narrow = nn.Linear(4 * supports, supports, bias=False)  # P
        self.weight = nn.Parameter(torch.empty(supports, in_channels, out_channels - product))
        self.bias = nn.Parameter(torch.zeros(out_channels - product))
        self.factors = nn.Linear(in_channels, 2 * product)  # U and V
        for matrix in self.weight:  # separately: Glorot's rule depends on the number of axes
            nn.init.xavier_uniform_(matrix)

    def learned(self, supports: Tensor) -> Tensor:
        first, second = self.wide(supports).tensor_split([2 * supports.size(1)], dim=1)
        u, v = torch.tanh(second).chunk(2, dim=1)
        return torch.relu(self.narrow(torch.cat([torch.relu(first), u * v], dim=1)))

    def forward(self, h: Tensor, supports: Tensor, part: Dense) -> Tensor:
        b, n, s = *h.shape[:2], len(self.weight)
        matrices = h.new_zeros(b * n * n, s).index_add(0, part.pair, self.learned(supports))
        mapped = h @ self.weight.movedim(0, 1).flatten(1)  # [b, n, S * out_channels]
        # sum_j sum_s C'_ijs (h W_s)_j as a single product, over nodes and supports together.
        spread = matrices.view(b, n, n * s) @ mapped.view(b, n * s, -1)
        u, v = torch.tanh(self.factors(h)).chunk(2, dim=2)
        return torch.cat([torch.relu(spread + self.bias), u * v], dim=2)
