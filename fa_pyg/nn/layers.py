"""Frame averaging inside a network: of a message-passing layer, or of a node-update MLP."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn

from fa_pyg import checks
from fa_pyg.builders import Frame
from fa_pyg.calls import Name, Named, Signature
from fa_pyg.calls.declared import declared_reps
from fa_pyg.nn.averaging import FrameAveraging
from fa_pyg.nn.output_structure import check_dense
from fa_pyg.renamed import renamed
from fa_pyg.reps import Rep, RepLike

__all__ = ["FAMLP", "FAConv"]


class FAConv(nn.Module):
    r"""The FA-GNN layer: frame averaging of a PyG layer, on scalars and vectors (Puny et al. 2022).

    .. math:: (h', v') = \sum_{g \in F(v)} w_g\, \rho(g)\, \Psi\big([h, \rho(g)^{-1} v], \text{edges}\big)

    The layer :math:`\Psi` need not be equivariant: it sees scalars and framed vectors as plain features
    ``[N, H + C * d]``. Every layer computes its frames from the vector channels that enter, so that it can be
    combined with any other layers on scalars and vectors.

    Args:
        conv: the layer, called as ``conv(x, edge_index, ...)``, from ``scalars + vectors * d`` to
            ``out_scalars + out_vectors * d`` features. It must mix nodes along edges only, or take ``batch``.
        frame: its group gives d, e.g. ``PCAFrame("O(3)")``.
        scalars, vectors: numbers of scalars H and of vector channels C that enter.
        out_scalars, out_vectors: the numbers that leave; default the same.
        chunk: as in :class:`~fa_pyg.FrameAveraging`.
        inputs: the representation of further arguments of the layer that transform, by name or by position in
            the call of this module, such as ``{"edge_attr": "vector"}``; all others are invariant.

    Shapes:
        h ``[N, H]`` (None where H = 0), v ``[N, C, d]``; returns ``[N, H']`` and ``[N, C', d]``.

    Raises:
        ValueError: for features that do not fit, in or out.
    """

    def __init__(
        self,
        conv: nn.Module,
        frame: Frame,
        scalars: int,
        vectors: int,
        out_scalars: int | None = None,
        out_vectors: int | None = None,
        chunk: int | None = None,
        inputs: Named[RepLike] | None = None,
    ) -> None:
        super().__init__()
        checks.instance("conv", conv, nn.Module, "a torch.nn.Module")
        checks.instance("frame", frame, Frame, 'a frame such as PCAFrame("O(3)")')
        sizes = _Sizes(frame.group.dim, scalars, vectors, out_scalars, out_vectors)
        self.averaging = _average(conv, sizes, frame, chunk, {} if inputs is None else declared_reps(inputs))

    def forward(
        self,
        h: Tensor | None,
        v: Tensor,
        edge_index: Tensor,
        *args,
        batch: Tensor | None = None,
        num_graphs: int | None = None,
        **kwargs,
    ) -> tuple[Tensor, Tensor]:
        kwargs["batch"] = batch
        return self.averaging(_scalars(h, v), v, edge_index, *args, num_graphs=num_graphs, **kwargs)


class FAMLP(nn.Module):
    r"""Frame averaging of an MLP: a node update on scalars and vectors (Puny et al. 2022).

    .. math:: (h', v') = \sum_{g \in F(v)} w_g\, \rho(g)\, \mathrm{MLP}\big([\,h,\; \rho(g)^{-1} v\,]\big)

    The same MLP for all nodes of a graph, in the frames of the graph. Usable alone, or as the update of any
    PyG ``MessagePassing`` that aggregates scalars and vectors.

    Args:
        frame: its group gives d, e.g. ``PCAFrame("O(3)")``.
        scalars, vectors: numbers of scalars H and of vector channels C that enter.
        out_scalars, out_vectors: the numbers that leave; default the same.
        hidden_channels: width of the hidden layers (formerly ``hidden``).
        num_layers: number of linear maps, >= 1 (formerly ``layers``).
        act: creates the activation between them.
        chunk: as in :class:`~fa_pyg.FrameAveraging`.

    Shapes:
        h ``[N, H]`` (None where H = 0), v ``[N, C, d]``; returns ``[N, H']`` and ``[N, C', d]``.

    Raises:
        ValueError: for features that do not fit, or a number of layers below 1.
    """

    @renamed(hidden="hidden_channels", layers="num_layers")
    def __init__(
        self,
        frame: Frame,
        scalars: int,
        vectors: int,
        out_scalars: int | None = None,
        out_vectors: int | None = None,
        hidden_channels: int = 64,
        num_layers: int = 2,
        act: Callable[[], nn.Module] = nn.SiLU,
        chunk: int | None = None,
    ) -> None:
        super().__init__()
        checks.instance("frame", frame, Frame, 'a frame such as PCAFrame("O(3)")')
        checks.size("hidden_channels", hidden_channels)
        checks.integer("num_layers", num_layers, 1, checks.DEEP)
        checks.function("act", act)
        sizes = _Sizes(frame.group.dim, scalars, vectors, out_scalars, out_vectors)
        widths = [sizes.features_in, *[hidden_channels] * (num_layers - 1), sizes.features_out]
        steps = [step for a, b in pairwise(widths) for step in (nn.Linear(a, b), act())]
        self.averaging = _average(nn.Sequential(*steps[:-1]), sizes, frame, chunk, {})

    def forward(
        self, h: Tensor | None, v: Tensor, batch: Tensor | None = None, num_graphs: int | None = None
    ) -> tuple[Tensor, Tensor]:
        return self.averaging(_scalars(h, v), v, batch=batch, num_graphs=num_graphs)


class _Sizes:
    """Numbers of scalars and vectors that enter and leave a layer, and of its features."""

    def __init__(
        self, dim: int, scalars: int, vectors: int, out_scalars: int | None, out_vectors: int | None
    ) -> None:
        self.dim, self.scalars = dim, checks.size("scalars", scalars, 0)
        self.vectors = checks.size("vectors", vectors)
        out_scalars = checks.size("out_scalars", out_scalars, 0, optional=True)
        out_vectors = checks.size("out_vectors", out_vectors, 0, optional=True)
        self.out_scalars = scalars if out_scalars is None else out_scalars
        self.out_vectors = vectors if out_vectors is None else out_vectors
        self.features_in = scalars + vectors * dim
        self.features_out = self.out_scalars + self.out_vectors * dim


def _average(
    layer: nn.Module,
    sizes: _Sizes,
    frame: Frame,
    chunk: int | None,
    inputs: Mapping[Name, Rep],
) -> FrameAveraging:
    net, reps = _Packed(layer, sizes), {"v": "vector", "h": "scalar", **inputs}
    levels = {"h": "node", "v": "node"}
    return FrameAveraging(net, frame, reps, ("scalar", "vector"), level="node", levels=levels, chunk=chunk)


class _Packed(nn.Module):
    """A layer on plain features as one on scalars and vectors."""

    def __init__(self, layer: nn.Module, sizes: _Sizes) -> None:
        super().__init__()
        self.layer = layer
        self.sizes = sizes
        self.takes_batch = "batch" in Signature(layer).named

    def forward(
        self,
        h: Tensor,
        v: Tensor,
        edge_index: Tensor | None = None,  # the name lets copies reindex it
        *args,
        batch: Tensor | None = None,
        num_graphs: int | None = None,
        **kwargs,
    ) -> tuple[Tensor, Tensor]:
        sizes = self.sizes
        if h.dim() != 2 or v.dim() != 3 or (h.size(1), v.size(1)) != (sizes.scalars, sizes.vectors):
            raise ValueError(
                f"h, v: expected {sizes.scalars} scalars and {sizes.vectors} vectors a node, "
                f"[N, {sizes.scalars}] and [N, {sizes.vectors}, {sizes.dim}], "
                f"found {list(h.shape)} and {list(v.shape)}"
            )
        if self.takes_batch:
            kwargs["batch"] = batch
        edges = () if edge_index is None else (edge_index, *args)
        y = self.layer(torch.cat([h, v.flatten(1)], dim=1), *edges, **kwargs)
        check_dense("layer", checks.instance("layer", y, Tensor, "one output, a tensor"))
        if y.dim() != 2 or y.size(1) != sizes.features_out:
            raise ValueError(
                f"layer: expected an output [N, {sizes.out_scalars} + {sizes.out_vectors} * {sizes.dim}], "
                f"found {list(y.shape)}"
            )
        vectors = y[:, sizes.out_scalars :].unflatten(1, (sizes.out_vectors, sizes.dim))
        return y[:, : sizes.out_scalars], vectors


def _scalars(h: Tensor | None, v: Tensor) -> Tensor:
    return v.new_zeros(len(v), 0) if h is None else h
