"""Stack of graph convolutions with a readout: the architecture of the message-passing baselines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor, nn

from fa_pyg import checks
from fa_pyg.models.graphs.readout import Activation, Readout, checked_batch
from fa_pyg.renamed import renamed

__all__ = ["ConvStack"]


class ConvStack(nn.Module):
    r"""Graph convolutions with an activation after each, the sum or mean over the nodes, and an output MLP.

    .. math:: h^{(l+1)} = a(\mathrm{conv}_l(h^{(l)}, G)), \qquad
              y = \mathrm{head}\Big(\sum_{i \in G} h_i^{(L)}\Big)

    The architecture of the comparison in "Breaking the Limits of Message Passing Graph Neural Networks"
    (Balcilar et al. 2021), which has 3 layers and appends the degree to the node features: to separate graphs
    ``act=torch.tanh, readout="sum"`` and the tanh of 10 outputs; to classify them ``act=torch.relu,
    readout="mean", head=10`` and 1 output.

    Args:
        convs: modules called ``conv(h, edge_index, **arguments)``.
        in_channels: F, number of node features.
        hidden_channels: width of the output of the last convolution.
        out_channels: width of the output.
        act: a.
        readout: ``"sum"`` or ``"mean"``.
        head: hidden width of the output MLP; None for a linear map.

    Shapes:
        x ``[N, F]``, edge_index ``[2, E]``, batch ``[N]`` (None: one graph), ``arguments`` of the
        convolutions by name; returns ``[B, out_channels]``.

    Raises:
        ValueError: for arguments out of range, and for wrong shapes.
    """

    @renamed(width="hidden_channels")
    def __init__(
        self,
        convs: Iterable[nn.Module],
        in_channels: int,
        hidden_channels: int,
        out_channels: int,
        act: Activation = nn.functional.relu,
        readout: str = "sum",
        head: int | None = None,
    ) -> None:
        super().__init__()
        self.in_channels, self.act = checks.size("in_channels", in_channels, 0), checks.function("act", act)
        convs = list(checks.instance("convs", convs, Iterable, "modules"))
        for conv in convs:
            checks.instance("convs", conv, nn.Module, "modules")
        self.convs = nn.ModuleList(convs)
        self.readout = Readout(hidden_channels, out_channels, readout, head, act)

    def forward(
        self,
        x: Tensor,
        edge_index: Tensor,
        batch: Tensor | None = None,
        arguments: Mapping[str, Any] | None = None,
    ) -> Tensor:
        batch = checked_batch(x, edge_index, batch, self.in_channels)
        for conv in self.convs:
            x = self.act(conv(x, edge_index, **(arguments or {})))
        return self.readout(x, batch)
