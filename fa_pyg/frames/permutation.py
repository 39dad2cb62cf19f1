"""Frames of permutations as values: weighted orders of the nodes of each graph."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from fa_pyg import checks
from fa_pyg.frames.base import NO_RANK, LevelLike
from fa_pyg.frames.local_index import LocalIndex, checked_orders
from fa_pyg.frames.permuted_rows import PermutedRows
from fa_pyg.frames.rows import Level
from fa_pyg.math.linalg import scatter_sum
from fa_pyg.reps import Rep, RepLike
from fa_pyg.typed import integers

__all__ = ["PermutationFrames"]


@dataclass(frozen=True, eq=False, repr=False, init=False)
class PermutationFrames(PermutedRows):
    r"""The frames F(x) of a batch of graphs under G = S(n): weighted orders of the nodes of each graph.

    .. math:: \langle\Phi\rangle(x) = \sum_{g \in F(x)} w_g\, \rho_{out}(g)\, \Phi(\rho_{in}(g)^{-1} x)

    A frame g puts node ``order[p]`` at position p. A graph in a frame has its nodes in this order, and its
    edges sorted by source, then target. Frames are slot-major, as in :class:`~fa_pyg.Frames`.

    A canonical form needs one frame only. Averaging node-level outputs over its automorphisms is averaging
    over the *orbit* of each node: the nodes to which automorphisms map it. (K_20 has one orbit, and 20!
    automorphisms.)

    Args:
        order: index within its graph of the node at each position, frame by frame.
        sizes: the number of nodes of each graph.
        body: the graph of each frame. Default: one frame a graph.
        weight: sums to 1 over each graph. Default: equal weights.
        batch: the graph of each node. Default: sorted by graph.
        edge_index: the edges, for edge-level tensors and for copies of edges.
        edge_color: sorts parallel edges.
        orbit: the orbit of each node, as the index within its graph of a representative node.
        edge_orbit: the same for edges, by their index within their graph.

    Shapes:
        order ``[sum of sizes over the frames]``, sizes ``[B]``, body and weight ``[F]``, batch and orbit
        ``[N]``, edge_index ``[2, E]``, edge_color and edge_orbit ``[E]``.

    Raises:
        ValueError: if the shapes do not fit, a graph has no frame, or an order is not a permutation.

    Not guaranteed: that the weights sum to 1 and that orbits are those of automorphisms; neither is checked.
    """

    order: Tensor
    sizes: Tensor
    body: Tensor
    weight: Tensor
    batch: Tensor | None  # never None once made
    edge_index: Tensor | None
    edge_color: Tensor | None
    orbit: Tensor | None
    edge_orbit: Tensor | None
    dim = 0  # node features have no geometric axes
    keeps_rows = False
    # Set by the library only: K where every graph has K frames, 0 where they differ.
    slots: int = field(init=False)
    exact: Tensor | None = field(default=None, init=False)  # see exact_for

    def __init__(
        self,
        order: Tensor,
        sizes: Tensor,
        body: Tensor | None = None,
        weight: Tensor | None = None,
        batch: Tensor | None = None,
        edge_index: Tensor | None = None,
        edge_color: Tensor | None = None,
        orbit: Tensor | None = None,
        edge_orbit: Tensor | None = None,
    ) -> None:
        given = {"edge_index": edge_index, "edge_color": edge_color, "orbit": orbit, "edge_orbit": edge_orbit}
        checks.instance("order", order, Tensor, "a tensor")
        for name, value in given.items():
            checks.instance(name, value, Tensor, "a tensor", optional=True)
        if edge_index is not None and (edge_index.dim() != 2 or len(edge_index) != 2):
            raise ValueError(f"edge_index: expected [2, E], found {list(edge_index.shape)}")
        rows = {"orbit": order if batch is None else batch}
        if edge_index is not None:
            rows |= dict.fromkeys(("edge_color", "edge_orbit"), edge_index[0])
        for name, like in rows.items():
            value = given[name]
            if value is not None and batch is not None and len(value) != len(like):
                raise ValueError(f"{name}: expected {len(like)} integers, found {len(value)}")
        values = checked_orders(order, sizes, body, weight, batch)
        for name, value in {**values, "sizes": sizes, **given}.items():
            object.__setattr__(self, name, value)

    @classmethod
    def ragged(
        cls,
        order: Tensor,
        body: Tensor,
        weight: Tensor,
        numbers: LocalIndex,
        exact: Tensor | None = None,
        slots: int = 0,
        edge_index: Tensor | None = None,
        edge_color: Tensor | None = None,
        orbit: Tensor | None = None,
        edge_orbit: Tensor | None = None,
    ) -> PermutationFrames:
        """Return frames in slot-major order already, without checks and without a sync."""
        size = len(numbers.counts)
        made = cls.made(
            order=order,
            sizes=numbers.counts,
            body=body,
            weight=weight,
            batch=numbers.body,
            edge_index=edge_index,
            edge_color=edge_color,
            orbit=orbit,
            edge_orbit=edge_orbit,
            slots=slots or int(len(body) == size),
        ).with_exact(exact)
        vars(made)["numbers"] = numbers
        return made

    # ---------------------------------------------------------------------------------- properties

    def exact_for(self, rep: RepLike = "scalar") -> Tensor:
        """Return for each graph whether averages are exactly equivariant, ``[B]`` bool; of scalars only.

        Raises:
            ValueError: if the frames carry no exactness information.
        """
        _check_scalar(rep)
        if self.exact is None:
            raise ValueError(f"{self}: expected exactness information (with_exact), found none")
        return self.exact > NO_RANK

    def __repr__(self) -> str:
        kind = f"{self.slots} a graph" if self.slots else "ragged"
        return f"PermutationFrames({self.num_frames} of {self.num_bodies} graphs, {kind})"

    def on(self, batch: Tensor, edge_index: Tensor | None, **changed: Tensor | None) -> PermutationFrames:
        """Return the same frames with another ``batch``, ``edge_index`` and other fields."""
        same = batch is self.batch  # only to reuse the cached index
        if same and edge_index is self.edge_index and not changed:
            return self
        made = self.made(**(self._stored_fields() | {"batch": batch, "edge_index": edge_index} | changed))
        if same and "numbers" in vars(self):
            vars(made)["numbers"] = self.numbers
        return made

    # ---------------------------------------------------------------------------------- the equation

    def to_frame(self, x: Tensor, rep: RepLike = "scalar", level: LevelLike = None) -> Tensor:
        r"""Return :math:`\rho(g)^{-1} x` for every frame g: the rows of x in the order of the frame.

        Args:
            x: a tensor of nodes, graphs or edges, or of other rows, which keep their order.
            rep: scalars.
            level: "node", "graph", "edge" or the graph of each row; default "node" or "graph", by size.

        Shapes:
            x ``[n, ...]``; the copies ``[M, ...]`` in slot-major order.

        Raises:
            ValueError: if the size of x fits no level.
        """
        _check_scalar(rep)
        return x.index_select(0, self._copied(self._level(len(x), level))[0])

    def edges_in_frame(self) -> Tensor:
        """Return ``edge_index`` in every frame, ``[2, M]``, of positions counted through all copies."""
        moved: list[Tensor] = []
        first, edge_index = 0, self._given_edges
        for place, (row, _) in zip(self.places, self.sources_by_slot(self._edges), strict=True):
            moved.append(place[edge_index.index_select(1, row)] + first)
            first += int((place >= 0).sum())
        return torch.cat(moved, 1)

    def from_frame(self, y: Tensor, rep: RepLike = "scalar", level: LevelLike = None) -> Tensor:
        r"""Return :math:`\rho(g)\, y` for copies ``y [M, ...]`` in the order of :meth:`to_frame`."""
        _check_scalar(rep)
        rows = self._copied_level(len(y), level)
        inverse = [torch.argsort(row, stable=True) for row, _ in self.sources_by_slot(rows)]
        first = integers(torch.tensor([0, *(len(part) for part in inverse)]).cumsum(0))
        return torch.cat([y.index_select(0, part + i) for part, i in zip(inverse, first, strict=False)])

    def average(self, y: Tensor, rep: RepLike = "scalar", level: LevelLike = None) -> Tensor:
        r"""Return :math:`\sum_g w_g\, \rho(g)\, y_g`: the copies in the original order, averaged.

        Args:
            y: a model's outputs on the copies, in the order of :meth:`to_frame`.
            rep: scalars.
            level: "node", "graph", "edge" or the graph of each row; default "node" or "graph", by size.

        Shapes:
            y ``[M, ...]``; result ``[n, ...]`` in the type of y, summed in the wider of its type and the
            weights'.

        Raises:
            ValueError: as :meth:`to_frame`, and if y is not floating point.
        """
        _check_scalar(rep)
        if not (y.is_floating_point() or y.is_complex()):
            raise ValueError(f"y: expected floating point numbers to average, found {y.dtype}")
        rows = self._copied_level(len(y), level)
        row, frame = self._copied(rows)
        z = y.to(torch.promote_types(y.dtype, self.weight.dtype))
        z = z * self.weight.index_select(0, frame).view(-1, *(1,) * (z.dim() - 1))
        z = scatter_sum(z, row, rows.count)
        orbits = self._orbits(rows.level)
        return (z if orbits is None else _orbit_mean(z, *orbits)).to(y.dtype)

    def sample(self, k: int = 1, generator: torch.Generator | None = None) -> PermutationFrames:
        """Draw k frames for each graph by weight, of weight 1 / k each (see :meth:`fa_pyg.Frames.sample`).

        Raises:
            ValueError: if k is not a positive integer.
        """
        chosen = self._drawn(k, generator)
        if self.slots == 1 and k == 1:
            return self
        by_body, numbers = self.numbers.by_body, self.numbers
        body, local = numbers.body[by_body], numbers.local[by_body]
        order = self.order[self._begin[chosen[:, body]] + local].reshape(-1)
        graphs = torch.arange(self.num_bodies, device=self.device).repeat(k)
        weight = self.weight.new_full((len(graphs),), 1 / k)
        fields = {name: getattr(self, name) for name in ("edge_index", "edge_color", "orbit", "edge_orbit")}
        exact = torch.full_like(self.sizes, NO_RANK)
        return PermutationFrames.ragged(order, graphs, weight, numbers, exact, slots=k, **fields)

    def with_one_frame(self, bodies: Tensor) -> PermutationFrames:
        """Return frames in which some graphs (``[B]`` bool) keep only their first."""
        kept, weight = self._without_later(bodies)
        length = self.sizes.index_select(0, self.body)
        stays = torch.zeros_like(self.body, dtype=torch.bool).index_fill_(0, kept, True)
        fields = {name: getattr(self, name) for name in ("edge_index", "edge_color", "orbit", "edge_orbit")}
        order = self.order[stays.repeat_interleave(length)]
        return PermutationFrames.ragged(
            order, self.body[kept], weight[kept], self.numbers, self.exact, **fields
        )

    def _orbits(self, level: Level) -> tuple[Tensor, LocalIndex] | None:
        if level is Level.NODE and self.orbit is not None:
            return self.orbit, self.numbers
        if level is Level.EDGE and self.edge_orbit is not None:
            return self.edge_orbit, LocalIndex(self.edge_body, self.num_bodies)
        return None


def _check_scalar(rep: RepLike) -> None:
    rep = Rep.of(rep)
    if rep.rank or rep.pseudo:
        raise ValueError(f'rep: expected "scalar" (all features are scalars under S(n)), found {rep}')


def _orbit_mean(z: Tensor, orbit: Tensor, numbers: LocalIndex) -> Tensor:
    """The mean of ``z`` over each orbit, for every row."""
    index = numbers.to_batch(numbers.body, orbit)
    count = torch.bincount(index, minlength=len(z)).clamp(min=1).view(-1, *(1,) * (z.dim() - 1))
    return (scatter_sum(z, index, len(z)) / count).index_select(0, index)
