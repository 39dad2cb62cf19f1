"""Point clouds that frames of motions are computed from: declared points and vectors of a batch."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from fa_pyg.batches import channels_or_samples, check_batch, graph_count
from fa_pyg.builders.node_weights import check_weight, type_weights
from fa_pyg.frames.rows import Level, Rows
from fa_pyg.groups import Group
from fa_pyg.lazy import cached_property
from fa_pyg.math.columns import centered, columns, take
from fa_pyg.math.linalg import check_device, check_real, gather, mean, scatter_sum, working_dtype
from fa_pyg.reps import NAMED, Rep

__all__ = ["Cloud", "Quantity", "cloud_of", "natural_reps"]

Columns = tuple[Tensor, Tensor | None, Tensor | None]  # vectors ``[d, m]``, the body and the weight of each

_MANY = 1 << 12  # rows

# A node below this fraction of the largest weight is lost in the rounding of the moments of its graph.
_SEEN = 1e-12


@dataclass(frozen=True, init=False)
class Quantity:
    """Declared input, as frames read it.

    Args:
        value: the tensor, with explicit geometric axes.
        rep: how it transforms.
        rows: the level and the bodies of its rows; node weights apply to rows that are nodes. Default: the
            nodes of one body.

    Shapes:
        value ``[n, C..., d, ..., d]``.
    """

    value: Tensor
    rep: Rep
    rows: Rows

    def __init__(self, value: Tensor, rep: Rep, rows: Rows | None = None) -> None:
        rows = Rows(Level.NODE, None, value.size(0)) if rows is None else rows
        for name, given in (("value", value), ("rep", rep), ("rows", rows)):
            object.__setattr__(self, name, given)

    @property
    def index(self) -> Tensor | None:
        """Body of each row."""
        return self.rows.body

    def vectors(self) -> Tensor:
        """Return the vectors of all channels as rows ``[m, d]``, in the dtype that frames are computed in."""
        return self.value.to(working_dtype(self.value)).reshape(-1, self.value.size(-1))


@dataclass(frozen=True)
class Cloud:
    """Point clouds of a batch, with all declared inputs and node weights.

    Args:
        declared: all declared inputs of the call; a motion that fixes the positions but moves a velocity is
            not a symmetry of the input.
        read: the inputs that the axes are computed from.
        batch: the body of each node; None for one body.
        size: the number of bodies B.
        weight: invariant weights of the nodes, or None for equal weights. Negative weights count as 0; a body
            of zero weights has equal weights.
        types: whether ``weight`` holds types of nodes, arbitrary integers (``type_weights``).
    """

    declared: tuple[Quantity, ...]
    read: tuple[Quantity, ...]
    batch: Tensor | None
    size: int
    weight: Tensor | None = None
    types: bool = False

    @property
    def device(self) -> torch.device:
        return self.declared[0].value.device

    @property
    def dtype(self) -> torch.dtype:
        """The dtype that frames are computed in (``fa_pyg.math.linalg.working_dtype``)."""
        return working_dtype(self.declared[0].value)

    @property
    def empty(self) -> Tensor | None:
        """Whether bodies lack rows of all declared inputs, ``[B]`` bool; None for a single body."""
        bodies = [quantity.rows.body for quantity in self.declared]
        several = [body for body in bodies if body is not None]
        if len(several) < len(bodies):
            return None
        rows = torch.cat(several)
        return torch.bincount(rows, minlength=self.size) == 0

    @cached_property
    def node_weight(self) -> Tensor | None:
        """Effective weights, positive or 0, ``[N]``."""
        if self.weight is None:
            return None
        if self.types:
            return type_weights(self.weight, self.dtype)
        weight = self.weight.to(self.dtype).clamp(min=0)
        if self.batch is None or self.size == 1:
            total = weight.sum(0, keepdim=True)
        else:
            total = scatter_sum(weight, self.batch, self.size)
        index = None if self.size == 1 else self.batch
        return torch.where(gather(total == 0, index), torch.ones_like(weight), weight)

    def unseen(self, origin: Tensor | None) -> Tensor | None:
        """Return whether bodies have a node of negligible weight off the origin, ``[B]`` bool or None.

        The model may see such a node, but the axes do not depend on it.
        """
        if self.weight is None or self.types:
            return None
        with torch.no_grad():  # torch.compile does not trace decorated methods
            unseen = torch.zeros(self.size, dtype=torch.bool, device=self.device)
            for quantity in self.read:
                x, index, weight = self.centered(quantity, origin)
                if weight is not None:
                    unseen = unseen | self._overlooks(x, index, weight)
        return unseen

    def _overlooks(self, x: Tensor, index: Tensor | None, weight: Tensor) -> Tensor:
        """Bodies of :meth:`unseen`, for one quantity."""
        index = torch.zeros(x.size(0), dtype=torch.long, device=x.device) if index is None else index
        square = (x * x).sum(1)
        light = weight <= _SEEN * _largest(weight, index, self.size).index_select(0, index)
        apart = square > _SEEN**2 * _largest(square, index, self.size).index_select(0, index)
        return _largest((light & apart).to(x.dtype), index, self.size) > 0

    def rows(self, quantity: Quantity) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Return the vectors of a quantity as rows ``[m, d]``, with the body and the weight of each."""
        return quantity.vectors(), *self._of_each_vector(quantity)

    def _columns(self, quantity: Quantity) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Return :meth:`rows` as ``[d, m]``."""
        value = quantity.value
        x = value if value.dim() == 2 else value.reshape(-1, value.size(-1))
        return columns(x), *self._of_each_vector(quantity)

    def _of_each_vector(self, quantity: Quantity) -> tuple[Tensor | None, Tensor | None]:
        """The body and the weight of each vector of a quantity."""
        n, *channels, _ = quantity.value.shape
        count = math.prod(channels)
        # A large body is summed by matrix products; a small one as in a batch, to the last bit: where
        # eigenvalues coincide, rounding decides on the axes.
        is_large = self.size == 1 and not torch.compiler.is_compiling() and n * count > _MANY
        index, weight = None if is_large else quantity.rows.body, self._weight(quantity)
        if count != 1:
            index = index if index is None else index.repeat_interleave(count)
            weight = weight if weight is None else weight.repeat_interleave(count)
        return index, weight

    def _weight(self, quantity: Quantity) -> Tensor | None:
        at_nodes = self.weight is not None and quantity.rows.level is Level.NODE
        return self.node_weight if at_nodes else None

    def origin(self, group: Group) -> Tensor | None:
        """Return the (weighted) centroid ``[B, d]`` of the first point; None if nothing translates."""
        points = [q for q in self.declared if q.rep.affine]
        if not (group.translates and points):
            return None
        rows, index, weight = self.rows(points[0])
        return mean(rows, index, self.size, weight)

    def centered(
        self, quantity: Quantity, origin: Tensor | None
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Return :meth:`rows`, points relative to ``origin``."""
        rows, index, weight = self.rows(quantity)
        if quantity.rep.affine and origin is not None:
            rows = rows - gather(origin, index)
        return rows, index, weight

    centred = centered  # the old spelling

    def columns(self, group: Group) -> tuple[Tensor | None, list[Columns]]:
        """Return :meth:`origin` and, for each quantity that is read, :meth:`centered` as ``[d, m]``."""
        points = [q for q in self.declared if q.rep.affine]
        if not (group.translates and points):
            return None, [self._columns(quantity) for quantity in self.read]
        x, index, weight = self._columns(points[0])
        origin, apart = centered(x, index, self.size, weight)
        parts = [
            (apart, index, weight) if quantity is points[0] else self._relative(quantity, origin)
            for quantity in self.read
        ]
        return origin.mT.contiguous(), parts

    def _relative(self, quantity: Quantity, origin: Tensor) -> Columns:
        """Return :meth:`centered` as ``[d, m]``, for an origin ``[d, B]``."""
        x, index, weight = self._columns(quantity)
        return (x - take(origin, index) if quantity.rep.affine else x), index, weight


def _largest(x: Tensor, index: Tensor, size: int) -> Tensor:
    """Return the largest value >= 0 of each body, ``[B]``."""
    return x.new_zeros(size).scatter_reduce(0, index, x.detach(), "amax")


def natural_reps(group: Group) -> tuple[Rep, Rep]:
    """Return how positions and velocities of the same time transform in a group, time not being scaled."""
    return _POINTS[group.translates, group.scales], _VECTORS[group.scales, group.boosts]


# Made once: their checks take longer than the sums over a small molecule.
_TWO = (False, True)
_POINTS = {(affine, scale): Rep(1, affine=affine, scale=int(scale)) for affine in _TWO for scale in _TWO}
_VECTORS = {(scale, boost): Rep(1, scale=int(scale), boost=int(boost)) for scale in _TWO for boost in _TWO}


def cloud_of(
    group: Group,
    pos: Tensor,
    *vectors: Tensor,
    batch: Tensor | None = None,
    num_graphs: int | None = None,
    node_weight: Tensor | None = None,
) -> Cloud:
    """Return points and vectors of the nodes of a batch, checked.

    Args:
        group: the group of motions.
        pos: points (under the groups that translate) or vectors.
        vectors: more node-level vectors that the axes are computed from; velocities in groups that boost.
        batch: the graph of each node; default one graph.
        num_graphs: B; default the largest ``batch`` plus one (a device sync).
        node_weight: invariant weights > 0, e.g. masses.

    Shapes:
        pos and vectors ``[N, d]`` or ``[N, C, d]``; batch and node_weight ``[N]``.

    Raises:
        ValueError: if an argument is not a tensor; if shapes do not fit each other or the group's dimension;
            for points ``[B, T, d]`` without ``batch``, which may be a dense batch; and if ``batch`` is not
            int64 or exceeds ``num_graphs`` (checked on a CPU only).
    """
    _check(group, pos, vectors, batch, node_weight)
    if batch is None and group.translates:
        unclear = channels_or_samples("pos", pos, NAMED["vector"], group.dim)
        if unclear is not None:
            raise ValueError(unclear)
    size = 1 if batch is None else graph_count(batch, num_graphs)
    point, vector = natural_reps(group)
    reps = [point, *[vector] * len(vectors)]
    rows = Rows(Level.NODE, batch, pos.size(0))
    read = tuple(Quantity(x, rep, rows) for x, rep in zip((pos, *vectors), reps, strict=True))
    return Cloud(read, read, batch, size, node_weight)


def _check(
    group: Group, pos: Tensor, vectors: tuple[Tensor, ...], batch: Tensor | None, node_weight: Tensor | None
) -> None:
    geometric = {"pos": pos, **{f"vectors[{i}]": v for i, v in enumerate(vectors)}}
    for name, x in {**geometric, "node_weight": node_weight}.items():
        if not isinstance(x, Tensor) and not (x is None and name == "node_weight"):
            raise ValueError(f"{name}: expected a tensor, found a {type(x).__name__}")
    check_batch(batch)
    for name, x in geometric.items():
        is_batch = name != "pos" and x.dim() == 1 and not x.is_floating_point()
        hint = ". The graph of each node is given by name: batch=" if is_batch else ""
        if x.dim() < 2 or x.size(-1) != group.dim or x.size(0) != pos.size(0):
            nodes = pos.size(0) if pos.dim() else "N"  # in text, a size is a constant of compiled code
            wanted = f"[{nodes}, ..., {group.dim}]"
            raise ValueError(f"{name}: expected {wanted} for {group}, found {list(x.shape)}{hint}")
        check_real(name, x, f"floating point [N, ..., {group.dim}]")
    for name, x in (("batch", batch), ("node_weight", node_weight)):
        if x is not None and x.shape != pos.shape[:1]:
            raise ValueError(f"{name}: expected one for each of {pos.size(0)} nodes, found {list(x.shape)}")
    if node_weight is not None:
        check_weight("node_weight", node_weight)
    for name, x in {**geometric, "batch": batch, "node_weight": node_weight}.items():
        if x is not None:
            check_device(name, x, pos)
