"""What a frame of motions is computed from: points and vectors of a batch, as they were declared."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from fa_pyg.copies import check_batch, graph_count
from fa_pyg.groups import Group
from fa_pyg.linalg import mean, pick, scatter_sum, working_dtype
from fa_pyg.reps import Rep

__all__ = ["Cloud", "Quantity", "cloud_of"]


@dataclass(frozen=True)
class Quantity:
    """One declared input as a frame sees it.

    Shapes:
        value ``[n, C..., d, ..., d]`` of the representation ``rep``; index ``[n]``, the body of each row, or
        None where all rows belong to one body. ``weighted``: whether the rows may be nodes.
    """

    value: Tensor
    rep: Rep
    index: Tensor | None = None
    weighted: bool = True

    def rows(self) -> Tensor:
        """The vectors of all channels as rows ``[m, d]``, in the type to compute frames in."""
        return self.value.to(working_dtype(self.value)).reshape(-1, self.value.size(-1))


@dataclass(frozen=True)
class Cloud:
    """What a frame is computed from.

    Args:
        declared: all declared inputs of the call; what fixes the positions but moves a velocity is no
            symmetry of the input.
        read: those that the axes are made of.
        batch: the body of each node; None for one body.
        size: the number of bodies B.
        weight: invariant weights of the nodes, or None for equal ones. Negative ones count as 0, and a body
            without any weight has equal ones.
    """

    declared: tuple[Quantity, ...]
    read: tuple[Quantity, ...]
    batch: Tensor | None
    size: int
    weight: Tensor | None = None

    @property
    def device(self) -> torch.device:
        return self.declared[0].value.device

    @property
    def dtype(self) -> torch.dtype:
        """The type to compute frames in (:func:`fa_pyg.linalg.working_dtype`)."""
        return working_dtype(self.declared[0].value)

    @property
    def empty(self) -> Tensor | None:
        """The bodies without a row of any declared input, ``[B]`` bool; None where there is one body."""
        if any(quantity.index is None for quantity in self.declared):
            return None
        rows = torch.cat([quantity.index for quantity in self.declared])
        return torch.bincount(rows, minlength=self.size) == 0

    @cached_property
    def node_weight(self) -> Tensor | None:
        """The weights as they count, ``[N]``."""
        if self.weight is None:
            return None
        weight = self.weight.to(self.dtype).clamp(min=0)
        if self.batch is None:
            total = weight.sum(0, keepdim=True)
        else:
            total = scatter_sum(weight, self.batch, self.size)
        return torch.where(pick(total == 0, self.batch), torch.ones_like(weight), weight)

    def rows(self, quantity: Quantity) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Returns the vectors of a quantity as rows ``[m, d]``, with the body and the weight of each."""
        rows = quantity.rows()
        each = len(rows) // max(len(quantity.value), 1)
        index, weight = quantity.index, self._weight(quantity)
        if each != 1:
            index = index if index is None else index.repeat_interleave(each)
            weight = weight if weight is None else weight.repeat_interleave(each)
        return rows, index, weight

    def _weight(self, quantity: Quantity) -> Tensor | None:
        at_nodes = quantity.index is self.batch and quantity.weighted and self.weight is not None
        return self.node_weight if at_nodes and len(self.weight) == len(quantity.value) else None

    def origin(self, group: Group) -> Tensor | None:
        """Returns the (weighted) centroid ``[B, d]`` of the first point; None if nothing translates."""
        points = [q for q in self.declared if q.rep.affine]
        if not (group.translates and points):
            return None
        rows, index, weight = self.rows(points[0])
        return mean(rows, index, self.size, weight)

    def centred(
        self, quantity: Quantity, origin: Tensor | None
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Returns :meth:`rows`, points relative to ``origin``."""
        rows, index, weight = self.rows(quantity)
        if quantity.rep.affine and origin is not None:
            rows = rows - pick(origin, index)
        return rows, index, weight


def cloud_of(
    group: Group,
    pos: Tensor,
    *vectors: Tensor,
    batch: Tensor | None = None,
    num_graphs: int | None = None,
    node_weight: Tensor | None = None,
) -> Cloud:
    """Returns points and vectors of the nodes of a batch, checked.

    Args:
        group: of the motions.
        pos: points (under the groups that translate) or vectors.
        vectors: more node-level vectors that the axes are made of.
        batch: the graph of each node; default one graph.
        num_graphs: B; default the largest ``batch`` plus one, which waits for the device.
        node_weight: invariant weights > 0, e.g. masses.

    Shapes:
        pos and vectors ``[N, d]`` or ``[N, C, d]``; batch and node_weight ``[N]``.

    Raises:
        ValueError: for what is no tensor, shapes that do not fit each other or the group's dimension, a
            batch that is not int64, or that does not fit ``num_graphs`` (seen on a CPU only).
    """
    _check(group, pos, vectors, batch, node_weight)
    size = 1 if batch is None else graph_count(batch, num_graphs)
    reps = [Rep(1, affine=group.translates), *[Rep(1)] * len(vectors)]
    read = tuple(Quantity(x, rep, batch) for x, rep in zip((pos, *vectors), reps, strict=True))
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
        if x.dim() < 2 or x.size(-1) != group.dim or len(x) != len(pos):
            wanted = f"[{len(pos) if pos.dim() else 'N'}, ..., {group.dim}]"
            is_batch = name != "pos" and x.dim() == 1 and not x.is_floating_point()
            hint = ". The graph of each node is given by name: batch=" if is_batch else ""
            raise ValueError(f"{name}: expected {wanted} for {group}, found {list(x.shape)}{hint}")
    for name, x in (("batch", batch), ("node_weight", node_weight)):
        if x is not None and x.shape != pos.shape[:1]:
            raise ValueError(f"{name}: expected one for each of {len(pos)} nodes, found {list(x.shape)}")
