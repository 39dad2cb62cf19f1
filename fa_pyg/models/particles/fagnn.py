"""FA-GNN for n-body systems, and its layers computed on signed frames."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.nn import MessagePassing

from fa_pyg import checks
from fa_pyg.batches import graph_count
from fa_pyg.builders import PCAFrame
from fa_pyg.frames import SignedFrames
from fa_pyg.groups.continuous import MOST_SIGNS
from fa_pyg.math.linalg import added, gather, mean, scatter_sum
from fa_pyg.models.particles.edges import displacements, read_edges
from fa_pyg.nn.layers import FAMLP, FAConv
from fa_pyg.renamed import renamed
from fa_pyg.typed import Modules

__all__ = ["FAGNN", "EdgeMLPConv", "signed_conv", "signed_mlp"]


class EdgeMLPConv(MessagePassing):
    r"""Message-passing layer of FA-GNN; *not* equivariant without a frame.

    .. math:: m_{ij} = \phi_e(h_i, h_j, e_{ij}), \qquad h_i' = h_i + \phi_h\Big(h_i, \sum_j m_{ij}\Big)

    with two-layer SiLU networks :math:`\phi`. The first maps are split over their inputs, so that the maps of
    node features run per node and not per edge.

    Args:
        channels: width of the node features.
        edge_dim: number of edge features.

    Shapes:
        h ``[N, channels]``, edge_attr ``[E, edge_dim]``; returns ``[N, channels]``.
    """

    @renamed(hidden="channels")
    def __init__(self, channels: int, edge_dim: int) -> None:
        super().__init__(aggr="sum")
        # For h_i in phi_e, h_j in phi_e, h_i in phi_h.
        self.from_node = nn.Linear(channels, 3 * channels, bias=False)
        self.from_edge = nn.Linear(edge_dim, channels)
        self.message_out = nn.Linear(channels, channels)
        self.from_messages = nn.Linear(channels, channels)
        # A bias would average to 0 over the signs of a frame.
        self.node_out = nn.Linear(channels, channels, bias=False)

    def forward(self, h: Tensor, edge_index: Tensor, edge_attr: Tensor) -> Tensor:
        target, source, update = self.from_node(h).chunk(3, dim=-1)
        total = self.propagate(edge_index, target=target, source=source, edge=self.from_edge(edge_attr))
        return h + self.node_out(nn.functional.silu(update + self.from_messages(total)))

    def message(self, target_i: Tensor, source_j: Tensor, edge: Tensor) -> Tensor:
        return nn.functional.silu(self.message_out(nn.functional.silu(target_i + source_j + edge)))


class FAGNN(nn.Module):
    r"""FA-GNN for particle systems (Puny et al. 2022), with new frames of the latent vectors in every layer.

    Centered positions and velocities are embedded as ``hidden_channels / d`` vectors per node; each layer is
    an :class:`~fa_pyg.nn.FAConv` of an ``EdgeMLPConv`` on these vectors; a frame-averaged MLP returns
    the displacement. Edge features are the squared distance and ``edge_attr`` (the product of charges).
    Equivariant to O(d) and translations.

    Args:
        hidden_channels: latent width, a multiple of ``dim``; published: 60.
        num_layers: number of message-passing layers; published: 4.
        dim: d.
        edge_dim: number of features in ``edge_attr``.
        fused: compute layers by ``signed_conv`` and ``signed_mlp`` instead of frame by frame: equal
            up to rounding, and faster.

    Shapes:
        pos, vel ``[N, d]``, edge_attr ``[E, edge_dim]``, batch ``[N]``; returns positions ``[N, d]``.

    Raises:
        ValueError: for a width that is not a multiple of d, arguments out of range, missing edges, and
            another number of edge features.
    """

    @renamed(hidden="hidden_channels", layers="num_layers")
    def __init__(
        self,
        hidden_channels: int = 60,
        num_layers: int = 4,
        dim: int = 3,
        edge_dim: int = 1,
        fused: bool = True,
    ) -> None:
        super().__init__()
        checks.size("hidden_channels", hidden_channels)
        checks.integer("num_layers", num_layers, 0, checks.DEEP)
        checks.integer("dim", dim, 1, MOST_SIGNS)
        checks.size("edge_dim", edge_dim, 0)
        checks.flag("fused", fused)
        if hidden_channels % dim:
            checks.refuse("hidden_channels", f"a multiple of {dim}", hidden_channels)
        frame, vectors = PCAFrame(f"O({dim})"), hidden_channels // dim
        self.fused, self.edge_dim = fused, edge_dim
        self.embed = FAMLP(frame, 0, 2, 0, vectors, hidden_channels, chunk=2**dim)
        convs = (EdgeMLPConv(hidden_channels, edge_dim + 1) for _ in range(num_layers))
        inputs = {"edge_attr": "scalar"}
        framed = (FAConv(conv, frame, 0, vectors, inputs=inputs) for conv in convs)
        self.convs: Modules[FAConv] = Modules(framed)
        self.decode = FAMLP(frame, 0, vectors, 0, 1, hidden_channels, chunk=2**dim)

    def forward(
        self,
        pos: Tensor,
        vel: Tensor,
        charge: Tensor | None = None,  # in the signature of all n-body models; edge_attr has the products
        edge_index: Tensor | None = None,
        edge_attr: Tensor | None = None,
        batch: Tensor | None = None,
        num_graphs: int | None = None,
    ) -> Tensor:
        source, target, features = read_edges(edge_index, edge_attr, self.edge_dim)
        if num_graphs is None:
            num_graphs = 1 if batch is None else graph_count(batch)
        distance = displacements(pos, source, target).square().sum(-1, keepdim=True)
        edge = torch.cat([distance, features], dim=-1)
        centered = pos - gather(mean(pos, batch, num_graphs), batch)
        graphs = {"batch": batch, "num_graphs": num_graphs}
        v = self._mlp(self.embed, torch.stack([centered, vel], dim=1), graphs)
        for conv in self.convs:
            if self.fused:
                frames = conv.averaging.frame(v, **graphs)
                v = signed_conv(_layer(conv), frames, v, (source, target), edge)
            else:
                v = conv(None, v, edge_index, edge_attr=edge, **graphs)[1]
        return pos + self._mlp(self.decode, v, graphs).squeeze(1)

    def _mlp(self, mlp: FAMLP, v: Tensor, graphs: dict[str, Any]) -> Tensor:
        if self.fused:
            return signed_mlp(_layer(mlp), mlp.averaging.frame(v, **graphs), v)
        return mlp(None, v, **graphs)[1]


def _layer(framed: FAConv | FAMLP) -> Any:
    packed: Any = framed.averaging.model  # the layer on a single feature axis
    return packed.layer


def signed_conv(
    layer: EdgeMLPConv,
    frames: SignedFrames,
    v: Tensor,
    edge_index: Tensor | tuple[Tensor, Tensor],
    edge: Tensor,
) -> Tensor:
    r"""Average an ``EdgeMLPConv`` over PCA frames, with its linear maps computed only once.

    The K frames of a graph share their axes and differ in signs s. A linear map of the input in a frame is a
    signed sum of d maps of the input along the axes, and the average of the outputs of a map is the map of a
    signed average:

    .. math:: W (s \odot y) = \sum_{k=1}^d s_k W_k y_k, \qquad
              \frac1K \sum_s s_k (W u_s)_k = W_k \Big(\frac1K \sum_s s_k u_s\Big)

    so that only layers between two activations run K times. The average of the residual connection is the
    identity.

    Shapes:
        v ``[N, C, d]``, edge ``[E, features]``; returns ``[N, C, d]``.
    """
    signed = _Signed(frames, v)
    target, source, update = (signed.copies(weight) for weight in layer.from_node.weight.chunk(3))
    at_source, at_target = edge_index
    of_edge = layer.from_edge(edge).unsqueeze(1)
    message = added(gather(target, at_target), gather(source, at_source), of_edge)  # [E, K, C * d]
    message = nn.functional.silu(layer.message_out(nn.functional.silu(message)))
    total = scatter_sum(message.flatten(1), at_target, len(v)).view_as(update)
    return v + signed.average(nn.functional.silu(update + layer.from_messages(total)), layer.node_out)


def signed_mlp(layer: Iterable[Any], frames: SignedFrames, v: Tensor) -> Tensor:
    """Average a two-layer MLP over PCA frames, as ``signed_conv`` does.

    Shapes:
        v ``[N, C, d]``; returns ``[N, C', d]``.
    """
    first, act, last = layer
    signed = _Signed(frames, v)
    return signed.average(act(signed.copies(first.weight) + first.bias), last)


class _Signed:
    """Components of vectors ``[N, C, d]`` along the axes that K frames share."""

    def __init__(self, frames: SignedFrames, v: Tensor) -> None:
        self.axes, self.signs = gather(frames.axes, frames.batch).to(v.dtype), frames.signs.to(v.dtype)
        self.components = (self.axes.transpose(1, 2) @ v.transpose(1, 2)).transpose(0, 1)  # [d, N, C]

    def copies(self, weight: Tensor) -> Tensor:
        """Apply a linear map ``[H, C * d]`` in every frame, ``[N, K, H]``."""
        d = len(self.components)
        mapped = self.components @ weight.view(len(weight), -1, d).permute(2, 1, 0)  # [d, N, H]
        return self.signs @ mapped.transpose(0, 1)

    def average(self, u: Tensor, last: nn.Linear) -> Tensor:
        """Apply a linear map ``[C' * d, H]`` to ``[N, K, H]``, rotate back and average: ``[N, C', d]``."""
        k, d = self.signs.shape
        mean = (self.signs.T / k @ u).transpose(0, 1)  # [d, N, H]
        out = mean @ last.weight.view(-1, d, last.in_features).permute(1, 2, 0)  # [d, N, C']
        if last.bias is not None:
            out = out + (last.bias.view(-1, d) * self.signs.mean(0)).T.unsqueeze(1)
        return (self.axes @ out.transpose(0, 1)).transpose(1, 2)
