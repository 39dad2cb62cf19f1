"""Message passing between local frames."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor, nn
from torch_geometric.nn.aggr import Aggregation
from torch_geometric.nn.resolver import aggregation_resolver

from fa_pyg import checks
from fa_pyg.builders.local import check_edges, check_shape, edge_vectors
from fa_pyg.frames import Frames
from fa_pyg.groups.continuous import MOST_DIMENSIONS
from fa_pyg.math.linalg import check_real
from fa_pyg.neighbors.cutoffs import cubic_cutoff
from fa_pyg.nn.averaging import uses_batch_statistics
from fa_pyg.nn.channels import Channels
from fa_pyg.renamed import renamed
from fa_pyg.reps import RepLike

__all__ = ["LocalFrameConv", "smooth_cutoff"]


class LocalFrameConv(nn.Module):
    r"""Message passing between local frames, equivariant for any two networks.

    The FA-Local-PointNet of Puny et al. 2022, with the tensorial messages of "Beyond Canonicalization"
    (Lippmann et al. 2025).

    .. math:: f_i' = \sum_{g \in F_i} w_g\, \rho(g)\, \phi_u\Big(\rho(g)^{-1} f_i,\;
              \bigoplus_{j \to i} w_{ij}\, \phi_m\big(\rho(g)^{-1} f_i,\; \rho(g)^{-1} f_j,\;
              \rho(g)^{-1} x_{ij},\; e_{ij}\big)\Big), \qquad x_{ij} = x_j - x_i

    Each node sees the features of its neighbors, of any representation, in the frames of the node;
    :math:`\phi_m` and :math:`\phi_u` are unrestricted. This *is* the transport between frames: the features
    of a sender in one of its frames h, :math:`\tilde f_j = \rho(h)^{-1} f_j`, arrive in frame g of the
    receiver as

    .. math:: \rho(g^{-1} h)\, \tilde f_j = \rho(g)^{-1} \rho(h)\, \rho(h)^{-1} f_j = \rho(g)^{-1} f_j

    for every h. Features are therefore stored in global coordinates between layers, averaged over the frames
    of a node; with K frames a node, the sum over K x K pairs of frames equals one over K. To enter and
    leave local coordinates elsewhere: ``frames.to_frame(v, "vector", "graph")`` and
    ``frames.average(y, "vector", "graph")``.

    Args:
        inputs: channels of each representation, e.g. ``{"scalar": 16, "vector": 8, Rep(3): 2}``.
        outputs: the same for the features that leave.
        dim: d.
        edge_dim: number of invariant edge features e.
        hidden_channels: width of the messages.
        message: phi_m, from ``2 * conv.inputs.width + d + edge_dim`` features, in the order of the equation,
            to ``hidden_channels``. Default: an MLP of two layers.
        update: phi_u, from ``conv.inputs.width + hidden_channels`` features to ``conv.outputs.width``.
        act: creates the activation of the default networks.
        aggr: aggregation over the neighbors: any invariant to order of PyG's ("sum", "mean", "max", ...).
        chunk: number of frames of each node to compute together, if all nodes have equally many. Default: 1
            on a CPU, all on an accelerator; all while BatchNorm trains.

    Example::

        edge_index = radius_graph(pos, 5.0, batch)
        weight = smooth_cutoff(pos[edge_index[0]] - pos[edge_index[1]], 5.0)
        frames = LocalPCAFrame("O(3)")(pos, edge_index, edge_weight=weight)
        conv = LocalFrameConv({"scalar": 16}, {"scalar": 16, "vector": 4})
        v = conv({"scalar": h}, pos, edge_index, frames, edge_weight=weight)["vector"]    # [N, 4, 3]

    Memory and time are those of K E messages. With ``Sample(...)`` as the frame, K = 1 in training.

    Not guaranteed: more than the frames guarantee (:class:`~fa_pyg.builders.LocalFrame`).
    """

    @renamed(hidden="hidden_channels")
    def __init__(
        self,
        inputs: Mapping[RepLike, int],
        outputs: Mapping[RepLike, int],
        dim: int = 3,
        edge_dim: int = 0,
        hidden_channels: int = 64,
        message: nn.Module | None = None,
        update: nn.Module | None = None,
        act: type[nn.Module] = nn.SiLU,
        aggr: str | Aggregation = "sum",
        chunk: int | None = None,
    ) -> None:
        super().__init__()
        checks.integer("chunk", chunk, optional=True)
        checks.integer("dim", dim, 1, MOST_DIMENSIONS)
        checks.size("edge_dim", edge_dim, 0)
        checks.size("hidden_channels", hidden_channels)
        for name, module in {"message": message, "update": update}.items():
            checks.instance(name, module, nn.Module, "a torch.nn.Module", optional=True)
        checks.function("act", act)
        self.inputs, self.outputs = Channels("inputs", inputs, dim), Channels("outputs", outputs, dim)
        self.dim, self.edge_dim, self.hidden_channels = dim, edge_dim, hidden_channels
        width = self.inputs.width
        seen = 2 * width + dim + edge_dim
        self.message = message or nn.Sequential(
            nn.Linear(seen, hidden_channels), act(), nn.Linear(hidden_channels, hidden_channels), act()
        )
        steps = (
            nn.Linear(width + hidden_channels, hidden_channels),
            act(),
            nn.Linear(hidden_channels, self.outputs.width),
        )
        self.update = update or nn.Sequential(*steps)
        self.aggr = _aggregation(aggr)
        self.chunk = chunk

    def forward(
        self,
        features: Mapping[RepLike, Tensor],
        pos: Tensor,
        edge_index: Tensor,
        frames: Frames,
        edge_attr: Tensor | None = None,
        edge_weight: Tensor | None = None,
        edge_vec: Tensor | None = None,
    ) -> dict[RepLike, Tensor]:
        """Return the new features of the nodes, by the keys of ``outputs``.

        Args:
            features: by the keys of ``inputs``.
            pos: positions.
            edge_index: sources (neighbors) above targets.
            frames: the frames of the nodes, e.g. of :class:`~fa_pyg.builders.LocalFrame`; any number a node.
            edge_attr: invariant features of the edges.
            edge_weight: factors of the messages, invariant; with a smooth cutoff messages set in smoothly.
            edge_vec: x_j - x_i, if not the difference of positions, e.g. across a periodic boundary.

        Shapes:
            features ``[N, C]``, ``[N, C, d]``, ``[N, C, d, d]`` ... of rank 0, 1, 2, and so those returned;
            pos ``[N, d]``, edge_index ``[2, E]``, edge_attr ``[E, edge_dim]``, edge_weight ``[E]``, edge_vec
            ``[E, d]``.

        Raises:
            ValueError: for shapes that do not fit each other or the layer, and for frames of other bodies.
        """
        self._check(features, pos, edge_index, frames, edge_attr, edge_weight, edge_vec)
        x = edge_vectors(pos, edge_index) if edge_vec is None else edge_vec
        dtype = next(iter(features.values())).dtype
        frames = frames.to(torch.promote_types(dtype, torch.float32))  # float64 is slow for many features
        run = partial(self._run, features, edge_index, x.to(dtype), edge_attr, edge_weight)
        y = torch.cat([run(part) for part in self._parts(frames)])
        return self.outputs.averaged(y, frames, torch.arange(len(pos), device=pos.device))

    def _run(
        self,
        features: Mapping[RepLike, Tensor],
        edge_index: Tensor,
        x: Tensor,
        edge_attr: Tensor | None,
        edge_weight: Tensor | None,
        frames: Frames,
    ) -> Tensor:
        """The equation up to phi_u, ``[F, width]``: one row for each frame of each node."""
        source, target = edge_index
        node = torch.arange(frames.num_bodies, device=x.device)
        # Copies of nodes have the order of frames: the frame of an edge's copy indexes its receiver's copy.
        edge, copy = frames.rows(target, len(target))
        receiver = self.inputs.framed(features, frames, node)
        sent = self.inputs.framed(features, frames, target, source)
        seen = [receiver.index_select(0, copy), sent, frames.to_frame(x, "vector", target)]
        if edge_attr is not None:
            seen.append(edge_attr.index_select(0, edge).to(x.dtype))
        messages = _sized("message", self.message(torch.cat(seen, dim=1)), self.hidden_channels)
        if edge_weight is not None:
            messages = messages * edge_weight.index_select(0, edge).to(x.dtype).unsqueeze(1)
        total = self.aggr(messages, copy, dim_size=frames.num_frames)
        return _sized("update", self.update(torch.cat([receiver, total], dim=1)), self.outputs.width)

    def _parts(self, frames: Frames) -> list[Frames]:
        """The frames, ``chunk`` slots at a time; all together if their numbers differ between nodes."""
        chunk = self.chunk or (1 if frames.rotation.device.type == "cpu" else frames.slots)
        if frames.slots <= chunk or any(map(uses_batch_statistics, self.modules())):
            return [frames]
        slots = frames.rotation.unflatten(0, (frames.slots, frames.num_bodies))
        return [Frames.uniform(part, batch=frames.batch) for part in slots.split(chunk)]

    def _check(
        self,
        features: Mapping[RepLike, Tensor],
        pos: Tensor,
        edge_index: Tensor,
        frames: Frames,
        edge_attr: Tensor | None,
        edge_weight: Tensor | None,
        edge_vec: Tensor | None,
    ) -> None:
        check_edges(self.dim, pos, edge_index, edge_weight)
        if edge_vec is not None:
            check_shape("edge_vec", edge_vec, edge_index.size(1), self.dim)
        self.inputs.check(features, len(pos))
        if (frames.num_bodies, frames.dim) != (len(pos), self.dim):
            raise ValueError(
                f"frames: expected frames of {len(pos)} nodes in {self.dim} dimensions, found {frames}"
            )
        if edge_attr is not None:
            check_shape("edge_attr", edge_attr, edge_index.size(1), self.edge_dim)
        elif self.edge_dim:
            raise ValueError(f"edge_attr: expected [E, {self.edge_dim}], found none")

    def extra_repr(self) -> str:
        return f"{self.inputs}, {self.outputs}, dim={self.dim}, edge_dim={self.edge_dim}"


def smooth_cutoff(edge_vec: Tensor, cutoff: float) -> Tensor:
    r"""Return a weight that falls from 1 to 0 at the cutoff, with its first and second derivatives.

    .. math:: w(x) = \big(1 - |x|^2 / r_c^2\big)_+^3

    Args:
        edge_vec: x_j - x_i.
        cutoff: r_c, in the same unit.

    Shapes:
        edge_vec ``[E, d]``; returns ``[E]``. A polynomial in the coordinates: smooth where nodes coincide.

    Raises:
        ValueError: for a cutoff that is not positive.
    """
    check_real("edge_vec", edge_vec)
    checks.number("cutoff", cutoff, above=0)
    return cubic_cutoff((edge_vec / cutoff).square().sum(-1))


def _aggregation(aggr: str | Aggregation) -> Aggregation:
    checks.instance("aggr", aggr, (str, Aggregation), "a name or an Aggregation of PyG")
    try:
        return aggregation_resolver(aggr or "none")  # the resolver accepts an empty name
    except ValueError as error:
        raise ValueError(f"aggr: expected the name of an aggregation of PyG, found {aggr!r}") from error


def _sized(name: str, y: Tensor, width: int) -> Tensor:
    if y.dim() != 2 or y.size(1) != width:
        raise ValueError(f"{name}: expected an output [M, {width}], found {list(y.shape)}")
    return y
