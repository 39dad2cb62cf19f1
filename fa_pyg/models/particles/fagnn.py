"""FA-GNN, the published network for n-body systems."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.nn import MessagePassing

from fa_pyg import checks
from fa_pyg.builders import PCAFrame
from fa_pyg.frames import Frames
from fa_pyg.groups.continuous import MOST_SIGNS
from fa_pyg.math.linalg import gather, mean, scatter_sum
from fa_pyg.nn.layers import FAMLP, FAConv

__all__ = ["FAGNN", "EdgeMLPConv"]


class EdgeMLPConv(MessagePassing):
    r"""The message-passing layer inside FA-GNN; not equivariant by itself.

    .. math:: m_{ij} = \phi_e(h_i, h_j, e_{ij}), \qquad h_i' = h_i + \phi_h\Big(h_i, \sum_j m_{ij}\Big)

    with two-layer SiLU networks :math:`\phi`. The first maps are stored split over their inputs, so that the
    parts of the nodes are computed once a node and not once an edge.

    Args:
        hidden: width of the features.
        edge_dim: number of edge features.

    Shapes:
        h ``[N, hidden]``, edge_attr ``[E, edge_dim]``; returns ``[N, hidden]``.
    """

    def __init__(self, hidden: int, edge_dim: int) -> None:
        super().__init__(aggr="sum")
        self.from_node = nn.Linear(hidden, 3 * hidden, bias=False)  # h_i in phi_e, h_j in phi_e, h_i in phi_h
        self.from_edge = nn.Linear(edge_dim, hidden)
        self.message_out = nn.Linear(hidden, hidden)
        self.from_messages = nn.Linear(hidden, hidden)
        self.node_out = nn.Linear(
            hidden, hidden, bias=False
        )  # over all signs of a frame it would average to 0

    def forward(self, h: Tensor, edge_index: Tensor, edge_attr: Tensor) -> Tensor:
        target, source, own = self.from_node(h).chunk(3, dim=-1)
        total = self.propagate(edge_index, target=target, source=source, edge=self.from_edge(edge_attr))
        return h + self.node_out(nn.functional.silu(own + self.from_messages(total)))

    def message(self, target_i: Tensor, source_j: Tensor, edge: Tensor) -> Tensor:
        return nn.functional.silu(self.message_out(nn.functional.silu(target_i + source_j + edge)))


class FAGNN(nn.Module):
    r"""FA-GNN for particle systems (Puny et al. 2022): frames anew from the latents in every layer.

    The centred positions and the velocities are embedded as ``hidden / d`` vectors a node; each layer is an
    :class:`~fa_pyg.nn.FAConv` round :class:`EdgeMLPConv` on those vectors; a last averaged MLP reads the
    displacement. Edge features are the squared distance and ``edge_attr`` (the product of charges).
    Equivariant under O(d) and translations by construction.

    Args:
        hidden: latent width, a multiple of ``dim``; published: 60.
        layers: published: 4.
        dim: d.
        edge_dim: features in ``edge_attr``.
        fused: compute the layers by :func:`signed_conv` and :func:`signed_mlp` instead of copy by copy: the
            same numbers to rounding, faster.

    Shapes:
        pos, vel ``[N, d]``, edge_attr ``[E, edge_dim]``, batch ``[N]``; returns positions ``[N, d]``.

    Raises:
        ValueError: for a width that is no multiple of d.
    """

    def __init__(
        self, hidden: int = 60, layers: int = 4, dim: int = 3, edge_dim: int = 1, fused: bool = True
    ) -> None:
        super().__init__()
        checks.size("hidden", hidden)
        checks.integer("layers", layers, 0, checks.DEEP)
        checks.integer("dim", dim, 1, MOST_SIGNS)
        checks.size("edge_dim", edge_dim, 0)
        checks.flag("fused", fused)
        if hidden % dim:
            raise ValueError(f"hidden: expected a multiple of {dim}, found {hidden}")
        frame, channels = PCAFrame(f"O({dim})"), hidden // dim
        self.fused = fused
        self.embed = FAMLP(frame, 0, 2, 0, channels, hidden, chunk=2**dim)
        self.convs = nn.ModuleList(
            FAConv(EdgeMLPConv(hidden, edge_dim + 1), frame, 0, channels, inputs={"edge_attr": "scalar"})
            for _ in range(layers)
        )
        self.decode = FAMLP(frame, 0, channels, 0, 1, hidden, chunk=2**dim)

    def forward(
        self,
        pos: Tensor,
        vel: Tensor,
        charge: Tensor | None = None,  # part of the n-body call; here the charges enter by edge_attr
        edge_index: Tensor | None = None,
        edge_attr: Tensor | None = None,
        batch: Tensor | None = None,
        num_graphs: int | None = None,
    ) -> Tensor:
        if edge_index is None or edge_attr is None:
            raise ValueError("FAGNN needs edge_index and edge_attr (the product of charges)")
        if num_graphs is None:
            num_graphs = 1 if batch is None else int(batch.max()) + 1
        source, target = edge_index
        distance = (pos[target] - pos[source]).square().sum(-1, keepdim=True)
        edge = torch.cat(
            [distance, edge_attr.flatten(1) if edge_attr.dim() > 1 else edge_attr.unsqueeze(1)], dim=-1
        )
        centred = pos - gather(mean(pos, batch, num_graphs), batch)
        graphs = {"batch": batch, "num_graphs": num_graphs}
        v = self._mlp(self.embed, torch.stack([centred, vel], dim=1), graphs)
        for conv in self.convs:
            if self.fused:
                frames = conv.averaging.frame(v, **graphs)
                v = signed_conv(conv.averaging.model.layer, frames, v, edge_index, edge)
            else:
                v = conv(None, v, edge_index, edge_attr=edge, **graphs)[1]
        return pos + self._mlp(self.decode, v, graphs).squeeze(1)

    def _mlp(self, mlp: FAMLP, v: Tensor, graphs: dict[str, Any]) -> Tensor:
        if self.fused:
            return signed_mlp(mlp.averaging.model.layer, mlp.averaging.frame(v, **graphs), v)
        return mlp(None, v, **graphs)[1]


def signed_conv(layer: EdgeMLPConv, frames: Frames, v: Tensor, edge_index: Tensor, edge: Tensor) -> Tensor:
    r"""Returns the average of an :class:`EdgeMLPConv` over PCA frames, with its linear maps run once.

    The K frames of a graph are one set of axes with signs s. A map of a framed copy is then a signed sum of d
    maps of the unsigned one, and the average of a map's outputs is the map of a signed average:

    .. math:: W (s \odot y) = \sum_{k=1}^d s_k W_k y_k, \qquad
              \frac1K \sum_s s_k (W u_s)_k = W_k \Big(\frac1K \sum_s s_k u_s\Big)

    so that only what lies between two activations runs K times. The residual connection averages to the
    identity.

    Shapes:
        v ``[N, C, d]``, edge ``[E, features]``; returns ``[N, C, d]``.
    """
    signed = _Signed(frames, v)
    target, source, own = (signed.copies(weight) for weight in layer.from_node.weight.chunk(3))
    at_source, at_target = edge_index
    message = target.flatten(1).index_select(0, at_target) + source.flatten(1).index_select(0, at_source)
    message = message.view(-1, *target.shape[1:]) + layer.from_edge(edge).unsqueeze(1)
    message = nn.functional.silu(layer.message_out(nn.functional.silu(message)))
    total = scatter_sum(message.flatten(1), at_target, len(v)).view_as(own)
    return v + signed.average(nn.functional.silu(own + layer.from_messages(total)), layer.node_out)


def signed_mlp(layer: nn.Sequential, frames: Frames, v: Tensor) -> Tensor:
    """Returns the average of a two-layer network over PCA frames, as :func:`signed_conv` does.

    Shapes:
        v ``[N, C, d]``; returns ``[N, C', d]``.
    """
    first, act, last = layer
    signed = _Signed(frames, v)
    return signed.average(act(signed.copies(first.weight) + first.bias), last)


class _Signed:
    """Vectors ``[N, C, d]`` in K frames of equal axes, by their parts along each axis."""

    def __init__(self, frames: Frames, v: Tensor) -> None:
        self.axes, self.signs = gather(frames.axes, frames.batch).to(v.dtype), frames.signs.to(v.dtype)
        self.parts = (self.axes.transpose(1, 2) @ v.transpose(1, 2)).transpose(0, 1)  # [d, N, C]

    def copies(self, weight: Tensor) -> Tensor:
        """The map ``[H, C * d]`` of the framed copies, ``[N, K, H]``."""
        d = len(self.parts)
        mapped = self.parts @ weight.view(len(weight), -1, d).permute(2, 1, 0)  # [d, N, H]
        return self.signs @ mapped.transpose(0, 1)

    def average(self, u: Tensor, last: nn.Linear) -> Tensor:
        """The map ``[C' * d, H]`` of copies ``[N, K, H]``, turned back and averaged: ``[N, C', d]``."""
        k, d = self.signs.shape
        mean = (self.signs.T / k @ u).transpose(0, 1)  # [d, N, H]
        out = mean @ last.weight.view(-1, d, last.in_features).permute(1, 2, 0)  # [d, N, C']
        if last.bias is not None:
            out = out + (last.bias.view(-1, d) * self.signs.mean(0)).T.unsqueeze(1)
        return (self.axes @ out.transpose(0, 1)).transpose(1, 2)
