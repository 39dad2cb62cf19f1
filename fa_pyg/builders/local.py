"""Local frames: a frame per node, from its neighbors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from fa_pyg import checks
from fa_pyg.builders.base import Frame, as_motions, check_euclidean
from fa_pyg.builders.cloud import Cloud, Quantity
from fa_pyg.builders.pca import PCAFrame
from fa_pyg.frames.motion import MotionFrames
from fa_pyg.frames.rows import Level, Rows
from fa_pyg.groups import Group, GroupLike
from fa_pyg.math.linalg import check_device, check_real, working_dtype
from fa_pyg.reps import Rep

__all__ = ["LocalFrame", "LocalPCAFrame", "check_edges", "check_shape", "edge_vectors"]


class LocalFrame(nn.Module):
    r"""Local frames: any frame, applied to the neighbors of every node (FA-Local-PointNet, Puny et al. 2022).

    The bodies are the nodes. The frame F reads the edge vectors of a node in place of the points of a graph:

    .. math:: F_i(x) = F\big(\{\, w_{ij}\, x_{ij} : j \to i \,\}\big), \qquad x_{ij} = x_j - x_i

    where :math:`w_{ij}` is also the weight of the row. As the weight of a neighbor goes to 0, both its weight
    and its length vanish, so that a frame that is continuous in both does not jump
    (:func:`fa_pyg.nn.smooth_cutoff`). Edge vectors are invariant under translations: frames for O(d) also
    serve E(d). Those for E(d), SE(d) and T(d) have the nodes as origins.

    Args:
        frame: e.g. ``PCAFrame("O(3)")``, or ``Sample(PCAFrame("O(3)"))`` for one frame per node in training.

    Example::

        source, target = edge_index
        frames = LocalPCAFrame("E(3)")(pos, edge_index)
        frames.to_frame(pos[source], "point", target)   # each neighbor in its receiver's frames
        frames.to_frame(vel, "vector", "graph")         # the vectors of each node in its frames

    Not guaranteed: more than the frame guarantees, on the rows of a neighborhood; and small neighborhoods are
    often symmetric.

    * If the rows span d - 1 or d dimensions (in 3-d: planar neighborhoods, and two neighbors not in line with
      the node), :class:`~fa_pyg.builders.weighted.WeightedPCAFrame` is always exact, and plain PCA frames are
      if second moments are distinct. Where these coincide (the carbon of methane), the axes of PCA frames are
      arbitrary, outputs are not exact, and they jump nearby.
    * If they span less (in 3-d: one neighbor or a line; for d > 1: none), the axes orthogonal to the span are
      arbitrary. Then scalars, vectors and pseudovectors are exact if they depend only on quantities within
      the span, and so are tensors in weighted frames. ``vectors`` widen the span.
    * :class:`~fa_pyg.GeneralizedQRFrame` detects ties up to the rounding of float64, in which edges are
      computed: pass positions in float64, or symmetric neighborhoods are not recognized as such.
    * As the *last* neighbor leaves, frames do not have a limit: the messages vanish, the frame stays and then
      jumps to that of an empty neighborhood. ``vectors``, if given, take over continuously.
    """

    def __init__(self, frame: Frame) -> None:
        super().__init__()
        checks.instance("frame", frame, Frame, 'a frame such as PCAFrame("O(3)")')
        if not frame.group.dim:
            raise ValueError(f'frame: expected a frame such as PCAFrame("O(3)"), found {frame!r}')
        check_euclidean("frame", frame)
        self.frame = frame

    if TYPE_CHECKING:  # the type of what a call returns

        def __call__(self, *args: Any, **kwargs: Any) -> MotionFrames: ...

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
    ) -> MotionFrames:
        """Return the frames of the nodes.

        Args:
            pos: positions.
            edge_index: sources (neighbors) above targets; self-loops do not contribute to the axes.
            vectors: further vectors of the nodes, e.g. features, in units comparable with ``pos``: those of a
                node and of its neighbors contribute to the axes of the node.
            edge_vec: replaces x_j - x_i, e.g. across a periodic boundary.
            edge_weight: invariant weights >= 0, e.g. a smooth cutoff.

        Shapes:
            pos ``[N, d]``, edge_index ``[2, E]``, vectors ``[N, d]`` or ``[N, C, d]``, edge_vec ``[E, d]``,
            edge_weight ``[E]``. The frames have N bodies; rows of edges belong to their targets
            (``frames.batch``), rows of nodes (``level="graph"``) to themselves.

        Raises:
            ValueError: for shapes that are inconsistent with each other or with the group's dimension.
        """
        check_edges(self.group.dim, pos, edge_index, edge_weight)
        if edge_vec is not None:
            check_shape("edge_vec", edge_vec, edge_index.size(1), self.group.dim)
            check_device("edge_vec", edge_vec, pos)
        for i, v in enumerate(vectors):
            check_real(f"vectors[{i}]", v)
            check_shape(f"vectors[{i}]", v, len(pos), *v.shape[1:-1], self.group.dim)
            check_device(f"vectors[{i}]", v, pos)
        n, target = pos.size(0), edge_index[1]
        node = torch.arange(n, device=pos.device)
        # In float64, in which the difference of two float32 is exact.
        wide = pos.to(working_dtype(pos))
        x = edge_vectors(wide, edge_index) if edge_vec is None else edge_vec
        sent = [x, *(v.index_select(0, edge_index[0]) for v in vectors)]
        if edge_weight is not None:
            w = edge_weight.to(wide.dtype).clamp(min=0)
            sent = [v * w.view(-1, *(1,) * (v.dim() - 1)) for v in sent]
        near, own = (
            Rows(Level.NODE, target, target.size(0)),
            Rows.of(node),
        )  # a cloud is the neighbors of a node
        read = (*(Quantity(v, Rep(1), near) for v in sent), *(Quantity(v, Rep(1), own) for v in vectors))
        # The centroid of this single point is the origin. Groups without translations must not read it.
        point = (Quantity(wide, Rep(1, affine=True), own),) if self.group.translates else ()
        return as_motions(self.frame.evaluate(Cloud(read + point, read, target, n, edge_weight)))


class LocalPCAFrame(LocalFrame):
    """Principal axes of the neighborhood of every node: :class:`LocalFrame` of :class:`~fa_pyg.PCAFrame`.

    Args:
        group: ``"O(d)"``, ``"SO(d)"``, ``"E(d)"``, ``"SE(d)"`` or ``"T(d)"`` (the axes of space).
        detach: treat the frames as constants. Faster, but forces computed through them are *wrong*.

    See :class:`LocalFrame` for shapes, errors and what is not guaranteed.
    """

    def __init__(self, group: GroupLike, detach: bool = False) -> None:
        super().__init__(PCAFrame(group, detach))


def edge_vectors(pos: Tensor, edge_index: Tensor) -> Tensor:
    """Return x_j - x_i, from the target of each edge to its source, ``[E, d]``."""
    return pos.index_select(0, edge_index[0]) - pos.index_select(0, edge_index[1])


def check_edges(dim: int, pos: Tensor, edge_index: Tensor, edge_weight: Tensor | None) -> None:
    """Raise ValueError for positions, edges or edge weights of inconsistent shape, dtype or device."""
    check_shape("pos", pos, None, dim)
    checks.instance("edge_index", edge_index, Tensor, "a tensor")
    if edge_index.dim() != 2 or len(edge_index) != 2 or edge_index.dtype != torch.long:
        found = f"{edge_index.dtype} {list(edge_index.shape)}"
        raise ValueError(f"edge_index: expected integers (int64) [2, E], found {found}")
    check_device("edge_index", edge_index, pos)
    if edge_weight is not None:
        check_shape("edge_weight", edge_weight, edge_index.size(1))
        check_device("edge_weight", edge_weight, pos)


def check_shape(name: str, x: Tensor, *wanted: int | None) -> None:
    """Raise ValueError unless x is floating point and of the expected shape (None: of any size)."""
    text = ", ".join("N" if size is None else str(size) for size in wanted)
    check_real(name, x, f"floating point [{text}]")
    fits = x.dim() == len(wanted) and all(b is None or a == b for a, b in zip(x.shape, wanted, strict=True))
    if not fits:
        raise ValueError(f"{name}: expected floating point [{text}], found {x.dtype} {list(x.shape)}")
