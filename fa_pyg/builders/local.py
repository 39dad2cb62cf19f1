"""One frame a node, from its neighbors."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fa_pyg import checks
from fa_pyg.builders.base import Frame
from fa_pyg.builders.cloud import Cloud, Quantity
from fa_pyg.builders.pca import PCAFrame
from fa_pyg.frames import Frames
from fa_pyg.groups import Group, GroupLike
from fa_pyg.math.linalg import check_device, check_real, working_dtype
from fa_pyg.reps import Rep

__all__ = ["LocalFrame", "LocalPCAFrame"]


class LocalFrame(nn.Module):
    r"""Frames of every node from its neighbors, by any frame (FA-Local-PointNet, Puny et al. 2022).

    The bodies are the nodes. The frame F reads a node's edge vectors as it otherwise reads a graph's points:

    .. math:: F_i(x) = F\big(\{\, w_{ij}\, x_{ij} : j \to i \,\}\big), \qquad x_{ij} = x_j - x_i

    where :math:`w_{ij}` also weighs the row. So a neighbor whose weight falls to 0 leaves as a weight and as
    a length, and a frame that is continuous in both does not notice (:func:`fa_pyg.nn.smooth_cutoff`).
    Differences do not translate: frames for O(d) serve E(d) as well. Those for E(d), SE(d) and T(d) have
    the nodes themselves as origins.

    Args:
        frame: e.g. ``PCAFrame("O(3)")``, or ``Sample(PCAFrame("O(3)"))`` for one frame a node in training.

    Example::

        source, target = edge_index
        frames = LocalPCAFrame("E(3)")(pos, edge_index)
        frames.to_frame(pos[source], "point", target)   # each neighbor in its receiver's frames
        frames.to_frame(vel, "vector", "graph")         # each node's vectors in its own

    Not guaranteed: more than the frame itself guarantees, on the rows of one neighborhood; and small
    neighborhoods are often symmetric.

    * Where what is read spans d - 1 or d dimensions (in 3-d planar neighborhoods, and two neighbors not in
      line with the node): :class:`~fa_pyg.builders.weighted.WeightedPCAFrame` is exact, always; plain PCA
      frames where second moments differ. Where they coincide (the carbon of methane) the axes of these are
      arbitrary and nothing is exact; near there they jump.
    * Where it spans less (in 3-d one neighbor or a line, in any d > 1 none) the axes across are arbitrary.
      Exact then are scalars, vectors and pseudovectors made of what lies in the span alone, with weighted
      frames tensors too; nothing that features across the span enter. ``vectors`` widen the span.
    * :class:`~fa_pyg.GeneralisedQRFrame` finds ties to the rounding of float64, in which edges are computed:
      give it positions in float64, or symmetric neighborhoods are taken for others.
    * As the *last* neighbor leaves there is no limit, for frames have no length: the messages vanish, the
      frame stays and then jumps to that of no neighbor. ``vectors``, if there are, take over continuously.
    """

    def __init__(self, frame: Frame) -> None:
        super().__init__()
        checks.instance("frame", frame, Frame, 'a frame such as PCAFrame("O(3)")')
        if frame.group.permutes:
            raise ValueError(f'frame: expected a frame such as PCAFrame("O(3)"), found {frame!r}')
        self.frame = frame

    @property
    def group(self) -> Group:
        return self.frame.group

    def forward(
        self,
        pos: Tensor,
        edge_index: Tensor,
        *vectors: Tensor,
        edge_vec: Tensor | None = None,
        edge_weight: Tensor | None = None,
    ) -> Frames:
        """Return the frames of the nodes.

        Args:
            pos: positions.
            edge_index: sources (neighbors) above targets; a self-loop adds nothing to the axes.
            vectors: more vectors of the nodes, e.g. features, in units comparable with ``pos``: the axes of a
                node are made of its own and its neighbors' as well.
            edge_vec: what to take for x_j - x_i, e.g. across a periodic boundary.
            edge_weight: invariant weights >= 0, e.g. a smooth cut-off.

        Shapes:
            pos ``[N, d]``, edge_index ``[2, E]``, vectors ``[N, d]`` or ``[N, C, d]``, edge_vec ``[E, d]``,
            edge_weight ``[E]``. The frames have N bodies; rows of edges belong to their targets
            (``frames.batch``), rows of nodes (``level="graph"``) to themselves.

        Raises:
            ValueError: for shapes that do not fit each other or the group's dimension.
        """
        check_edges(self.group.dim, pos, edge_index, edge_weight)
        if edge_vec is not None:
            check_shape("edge_vec", edge_vec, edge_index.size(1), self.group.dim)
            check_device("edge_vec", edge_vec, pos)
        for i, v in enumerate(vectors):
            check_real(f"vectors[{i}]", v)
            check_shape(f"vectors[{i}]", v, len(pos), *v.shape[1:-1], self.group.dim)
            check_device(f"vectors[{i}]", v, pos)
        n, target = len(pos), edge_index[1]
        node = torch.arange(n, device=pos.device)
        # In the wide type, in which the difference of two float32 is exact.
        wide = pos.to(working_dtype(pos))
        x = edge_vectors(wide, edge_index) if edge_vec is None else edge_vec
        sent = [x, *(v.index_select(0, edge_index[0]) for v in vectors)]
        if edge_weight is not None:
            w = edge_weight.to(wide.dtype).clamp(min=0)
            sent = [v * w.view(-1, *(1,) * (v.dim() - 1)) for v in sent]
        read = (*(Quantity(v, Rep(1), target) for v in sent), *(Quantity(v, Rep(1), node) for v in vectors))
        # One point a body is its own centroid: the origin. Groups that do not translate must not see it.
        point = (Quantity(wide, Rep(1, affine=True), node),) if self.group.translates else ()
        return self.frame.evaluate(Cloud(read + point, read, target, n, edge_weight))


class LocalPCAFrame(LocalFrame):
    """Principal axes of every node's neighborhood: :class:`LocalFrame` of :class:`~fa_pyg.PCAFrame`.

    Args:
        group: ``"O(d)"``, ``"SO(d)"``, ``"E(d)"``, ``"SE(d)"`` or ``"T(d)"`` (the axes of space).
        detach: treat the frames as constants. Faster, but forces taken through them are *wrong*.

    Shapes, errors and what is not guaranteed: see :class:`LocalFrame`.
    """

    def __init__(self, group: GroupLike, detach: bool = False) -> None:
        super().__init__(PCAFrame(group, detach))


def edge_vectors(pos: Tensor, edge_index: Tensor) -> Tensor:
    """Return x_j - x_i, from the target of each edge to its source, ``[E, d]``."""
    return pos.index_select(0, edge_index[0]) - pos.index_select(0, edge_index[1])


def check_edges(dim: int, pos: Tensor, edge_index: Tensor, edge_weight: Tensor | None) -> None:
    """Raise a ValueError that names the first of a call's arguments that does not fit the others."""
    check_shape("pos", pos, None, dim)
    if not isinstance(edge_index, Tensor):
        raise ValueError(f"edge_index: expected a tensor, found a {type(edge_index).__name__}")
    if edge_index.dim() != 2 or len(edge_index) != 2 or edge_index.dtype != torch.long:
        found = f"{edge_index.dtype} {list(edge_index.shape)}"
        raise ValueError(f"edge_index: expected integers (int64) [2, E], found {found}")
    check_device("edge_index", edge_index, pos)
    if edge_weight is not None:
        check_shape("edge_weight", edge_weight, edge_index.size(1))
        check_device("edge_weight", edge_weight, pos)


def check_shape(name: str, x: Tensor, *wanted: int | None) -> None:
    """Raise a ValueError unless x is floating point and of the wanted shape (None: of any size)."""
    text = ", ".join("N" if size is None else str(size) for size in wanted)
    check_real(name, x, f"floating point [{text}]")
    if x.dim() != len(wanted) or any(b not in (None, a) for a, b in zip(x.shape, wanted, strict=True)):
        raise ValueError(f"{name}: expected floating point [{text}], found {x.dtype} {list(x.shape)}")
