"""The value of a permutation frame on one batch: orders of the nodes of each graph, with weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from fa_pyg import checks
from fa_pyg.frames.base import NO_RANK, FrameSet, LevelLike
from fa_pyg.frames.local_index import LocalIndex, checked_orders
from fa_pyg.frames.rows import Level, Rows
from fa_pyg.math.linalg import scatter_sum
from fa_pyg.reps import Rep, RepLike

__all__ = ["PermutationFrames"]


@dataclass(frozen=True, eq=False, repr=False)
class PermutationFrames(FrameSet):
    r"""The frames F(x) of a batch of graphs under G = S(n): a few weighted orders of each one's nodes.

    .. math:: \langle\Phi\rangle(x) = \sum_{g \in F(x)} w_g\, \rho_{out}(g)\, \Phi(\rho_{in}(g)^{-1} x)

    A frame g puts node ``order[p]`` at place p; a graph in a frame has its nodes in these places, and its
    edges in the order of theirs (row by row). Frames lie slot by slot, as in :class:`~fa_pyg.Frames`.

    A canonical form needs one frame only: what else its automorphisms would do to node-level outputs is an
    average over each node's *orbit*, that is over the nodes that automorphisms move it to. (K_20 has one
    orbit, and 20! automorphisms.)

    Args:
        order: the number within its graph of the node that takes each place, frame by frame.
        sizes: the number of nodes of each graph.
        body: the graph of each frame. Default: one frame a graph.
        weight: sums to 1 over each graph. Default: equal weights.
        batch: the graph of each node. Default: graph by graph.
        edge_index: the edges, for edge-level tensors and for copies of edges.
        edge_color: tells edges between the same two nodes apart, by its order.
        orbit: the orbit of each node, named by the number within its graph of one of its nodes.
        edge_orbit: the same for edges, numbered within their graphs.

    Shapes:
        order ``[sum of sizes over the frames]``, sizes ``[B]``, body and weight ``[F]``, batch and orbit
        ``[N]``, edge_index ``[2, E]``, edge_color and edge_orbit ``[E]``.

    Raises:
        ValueError: if the shapes do not fit, a graph has no frame, or an order is no permutation.

    Not guaranteed: that the weights sum to 1 and that orbits are those of automorphisms; neither is checked.
    """

    order: Tensor
    sizes: Tensor
    body: Tensor | None = None
    weight: Tensor | None = None
    batch: Tensor | None = None
    edge_index: Tensor | None = None
    edge_color: Tensor | None = None
    orbit: Tensor | None = None
    edge_orbit: Tensor | None = None
    dim = 0  # node features have no geometric axes
    keeps_rows = False
    # Set by the library only: K where every graph has K frames, 0 where they differ.
    slots: int | None = field(default=None, init=False)
    exact: Tensor | None = field(default=None, init=False)  # see exact_for

    def __post_init__(self) -> None:
        for name in ("order", "edge_index", "edge_color", "orbit", "edge_orbit"):
            checks.instance(name, getattr(self, name), Tensor, "a tensor", optional=name != "order")
        if self.edge_index is not None and (self.edge_index.dim() != 2 or len(self.edge_index) != 2):
            raise ValueError(f"edge_index: expected [2, E], found {list(self.edge_index.shape)}")
        rows = {"orbit": self.order if self.batch is None else self.batch}
        if self.edge_index is not None:
            rows |= dict.fromkeys(("edge_color", "edge_orbit"), self.edge_index[0])
        for name, like in rows.items():
            value = getattr(self, name)
            if value is not None and self.batch is not None and len(value) != len(like):
                raise ValueError(f"{name}: expected {len(like)} integers, found {len(value)}")
        given = (self.order, self.sizes, self.body, self.weight, self.batch)
        for name, value in checked_orders(*given).items():
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
        **known: Tensor | None,
    ) -> PermutationFrames:
        """Returns frames that lie slot by slot already, without a check and without a sync."""
        size = len(numbers.counts)
        given = {name: known.get(name) for name in ("edge_index", "edge_color", "orbit", "edge_orbit")}
        given |= {"order": order, "sizes": numbers.counts, "body": body, "weight": weight}
        slots = slots or int(len(body) == size)
        made = cls.made(**given, batch=numbers.body, slots=slots).with_exact(exact)
        made.__dict__["numbers"] = numbers
        return made

    # ---------------------------------------------------------------------------------- what it is

    @property
    def num_bodies(self) -> int:
        return len(self.sizes)

    @cached_property
    def numbers(self) -> LocalIndex:
        """Index of each node within its graph."""
        return LocalIndex(self.batch, self.num_bodies)

    @cached_property
    def edge_body(self) -> Tensor:
        """The graph of each edge, ``[E]``."""
        if self.edge_index is None:
            raise ValueError("edge level: expected frames that know `edge_index`, found none")
        return self.batch.index_select(0, self.edge_index[0])

    def exact_for(self, rep: RepLike = "scalar") -> Tensor:
        """Returns for each graph whether averages are exactly equivariant, ``[B]`` bool; of scalars only.

        Raises:
            ValueError: if the frames carry no exactness information.
        """
        _check_scalar(rep)
        if self.exact is None:
            raise ValueError(f"{self}: these frames carry no exactness information (pass exact=)")
        return self.exact > NO_RANK

    def __repr__(self) -> str:
        kind = f"{self.slots} a graph" if self.slots else "ragged"
        return f"PermutationFrames({self.num_frames} of {self.num_bodies} graphs, {kind})"

    @property
    def moves_edges(self) -> bool:
        """Whether any edge is one of several in its orbit, over which edge-level outputs are averaged."""
        if self.edge_orbit is None:
            return False
        orbits = torch.stack([self.edge_body, self.edge_orbit], 1)
        return len(torch.unique(orbits, dim=0)) < len(orbits)

    def on(self, batch: Tensor, edge_index: Tensor | None, **known: Tensor | None) -> PermutationFrames:
        """Returns the frames with these tensors for the graph of each node, the edges, and other fields."""
        same = batch is self.batch  # saves counting nodes and sorting copies again, and decides nothing
        if same and edge_index is self.edge_index and not known:
            return self
        made = self.made(**(self._known_fields() | {"batch": batch, "edge_index": edge_index} | known))
        if same and "numbers" in vars(self):
            made.__dict__["numbers"] = self.numbers
        return made

    # ---------------------------------------------------------------------------------- the equation

    def to_frame(self, x: Tensor, rep: RepLike = "scalar", level: LevelLike = None) -> Tensor:
        r"""Returns :math:`\rho(g)^{-1} x` for every frame g: the rows of x in the order of their places.

        Args:
            x: a tensor of nodes, graphs or edges, or with other rows that keep their order.
            rep: scalars.
            level: "node", "graph", "edge" or the graph of each row; default "node" or "graph", by the size.

        Shapes:
            x ``[n, ...]``; the copies ``[M, ...]`` in slot-major order.

        Raises:
            ValueError: if the size of x fits no level.
        """
        _check_scalar(rep)
        return x.index_select(0, self._copied(self._level(len(x), level))[0])

    def edges_in_frame(self) -> Tensor:
        """Returns ``edge_index`` in every frame, ``[2, M]``: the places of the nodes, counted through."""
        moved, first = [], 0
        for place, (row, _) in zip(self.places, self.sources_by_slot(self._edges), strict=True):
            moved.append(place[self.edge_index.index_select(1, row)] + first)
            first += int((place >= 0).sum())
        return torch.cat(moved, 1)

    def from_frame(self, y: Tensor, rep: RepLike = "scalar", level: LevelLike = None) -> Tensor:
        r"""Returns :math:`\rho(g)\, y` for copies ``y [M, ...]`` in the order of :meth:`to_frame`."""
        _check_scalar(rep)
        rows = self._copied_level(len(y), level)
        home = [torch.argsort(row, stable=True) for row, _ in self.sources_by_slot(rows)]
        first = torch.tensor([0, *(len(part) for part in home)]).cumsum(0).tolist()
        return torch.cat([y.index_select(0, part + begin) for part, begin in zip(home, first, strict=False)])

    def average(self, y: Tensor, rep: RepLike = "scalar", level: LevelLike = None) -> Tensor:
        r"""Returns :math:`\sum_g w_g\, \rho(g)\, y_g`: the copies put back and averaged.

        Args:
            y: a model's outputs on the copies, in the order of :meth:`to_frame`.
            rep: scalars.
            level: "node", "graph", "edge" or the graph of each row; default "node" or "graph", by the size.

        Shapes:
            y ``[M, ...]``; result ``[n, ...]`` in the type of y, summed in the wider of its type and the
            weights'.

        Raises:
            ValueError: as :meth:`to_frame`, and if y is not floating point.
        """
        _check_scalar(rep)
        if not (y.is_floating_point() or y.is_complex()):
            raise ValueError(f"expected floating point numbers to average, found {y.dtype}")
        rows = self._copied_level(len(y), level)
        row, frame = self._copied(rows)
        z = y.to(torch.promote_types(y.dtype, self.weight.dtype))
        z = z * self.weight.index_select(0, frame).view(-1, *(1,) * (z.dim() - 1))
        z = scatter_sum(z, row, rows.count)
        orbit, numbers = self._orbits(rows.level)
        return (z if orbit is None else _orbit_mean(z, orbit, numbers)).to(y.dtype)

    def sample(self, k: int = 1, generator: torch.Generator | None = None) -> PermutationFrames:
        """Draws k frames for each graph by weight; each then weighs 1 / k (see :meth:`fa_pyg.Frames.sample`).

        Raises:
            ValueError: if k is no positive integer.
        """
        chosen = self._drawn(k, generator)
        if self.slots == 1 and k == 1:
            return self
        by_body, numbers = self.numbers.by_body, self.numbers
        body, local = numbers.body[by_body], numbers.local[by_body]
        order = self.order[self._begin[chosen[:, body]] + local].reshape(-1)
        graphs = torch.arange(self.num_bodies, device=self.device).repeat(k)
        weight = self.weight.new_full((len(graphs),), 1 / k)
        known = {name: getattr(self, name) for name in ("edge_index", "edge_color", "orbit", "edge_orbit")}
        exact = torch.full_like(self.sizes, NO_RANK)
        return PermutationFrames.ragged(order, graphs, weight, numbers, exact, slots=k, **known)

    def with_one_frame(self, bodies: Tensor) -> PermutationFrames:
        """Returns frames of which some graphs (``[B]`` bool) have their first only."""
        kept, weight = self._without_later(bodies)
        length = self.sizes.index_select(0, self.body)
        stays = torch.zeros_like(self.body, dtype=torch.bool).index_fill_(0, kept, True)
        known = {name: getattr(self, name) for name in ("edge_index", "edge_color", "orbit", "edge_orbit")}
        order = self.order[stays.repeat_interleave(length)]
        return PermutationFrames.ragged(
            order, self.body[kept], weight[kept], self.numbers, self.exact, **known
        )

    # ---------------------------------------------------------------------------------- rows of copies

    def sources(self, level: LevelLike) -> tuple[Tensor, Tensor]:
        """Returns the source row and the frame of each row of the copies of a tensor of this level."""
        return self._copied(self._level(None, level))

    def sources_by_slot(self, rows: Rows) -> list[tuple[Tensor, Tensor]]:
        if rows.level is Level.NODE:
            return self._node_sources
        return self._edge_sources if rows.level is Level.EDGE else self._in_order(rows)

    @cached_property
    def _edges(self) -> Rows:
        return Rows.of(self.edge_body, Level.EDGE)

    @cached_property
    def _begin(self) -> Tensor:
        """Where each frame's places begin in ``order``."""
        length = self.sizes.index_select(0, self.body)
        return length.cumsum(0) - length

    @cached_property
    def _node_sources(self) -> list[tuple[Tensor, Tensor]]:
        numbers, found = self.numbers, []
        for row, frame in self._in_order(self._nodes):
            local = self.order.index_select(0, self._begin[frame] + numbers.local[row])
            found.append((numbers.whole(numbers.body[row], local), frame))
        return found

    @cached_property
    def places(self) -> list[Tensor]:
        """The place of every node in each slot, counted through its copied graphs; -1 where it has none."""
        places = []
        for source, _ in self._node_sources:
            place = torch.full_like(self.batch, -1)
            places.append(place.scatter_(0, source, torch.arange(len(source), device=source.device)))
        return places

    @cached_property
    def _edge_sources(self) -> list[tuple[Tensor, Tensor]]:
        """Edges row by row, those between the same two nodes by their colours."""
        found = []
        for place, (row, frame) in zip(self.places, self._in_order(self._edges), strict=True):
            if self.edge_color is not None:
                by_color = torch.argsort(self.edge_color.index_select(0, row), stable=True)
                row, frame = row.index_select(0, by_color), frame.index_select(0, by_color)
            tail, head = place[self.edge_index.index_select(1, row)]
            order = torch.argsort(tail * len(self.batch) + head, stable=True)
            found.append((row.index_select(0, order), frame.index_select(0, order)))
        return found

    def _orbits(self, level: Level) -> tuple[Tensor | None, LocalIndex | None]:
        if level is Level.NODE and self.orbit is not None:
            return self.orbit, self.numbers
        if level is Level.EDGE and self.edge_orbit is not None:
            return self.edge_orbit, LocalIndex(self.edge_body, self.num_bodies)
        return None, None

    def _level(self, n: int | None, level: LevelLike) -> Rows:
        """The rows of a level; n: how many there are, to be checked."""
        if level is None:
            level = self._rows_of(n, None)
        rows = self._named(level)
        if n not in (None, rows.count):
            raise ValueError(f"expected {rows.count} rows for the {_shown(level)}, found {n}")
        return rows

    def _copied_level(self, m: int, level: LevelLike) -> Rows:
        rows = self._source_rows(m, None) if level is None else self._named(level)
        expected = len(self._copied(rows)[0])
        if m != expected:
            raise ValueError(f"expected {expected} rows for the copies of the {_shown(rows)}, found {m}")
        return rows

    def _named(self, level: LevelLike) -> Rows:
        if isinstance(level, Tensor):
            return Rows.of(level)
        if isinstance(level, Rows):
            return level
        if level not in ("node", "graph", "edge"):
            raise ValueError(
                f'level: expected "node", "graph", "edge" or the graph of each row, found {level!r}'
            )
        return {"node": self._nodes, "graph": self._graphs}.get(level) or self._edges


def _shown(level: LevelLike) -> str:
    name = level.level.value if isinstance(level, Rows) and level.level is not Level.INDEX else level
    return f"{name} level" if isinstance(name, str) else "graphs given"


def _check_scalar(rep: RepLike) -> None:
    rep = Rep.of(rep)
    if rep.rank or rep.pseudo:
        raise ValueError(f'expected "scalar", found {rep}: under S(n) all numbers of a node are scalars')


def _orbit_mean(z: Tensor, orbit: Tensor, numbers: LocalIndex) -> Tensor:
    whole = numbers.whole(numbers.body, orbit)
    count = torch.bincount(whole, minlength=len(z)).clamp(min=1).view(-1, *(1,) * (z.dim() - 1))
    return (scatter_sum(z, whole, len(z)) / count).index_select(0, whole)
