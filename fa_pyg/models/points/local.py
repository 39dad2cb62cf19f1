"""FA-Local-PointNet: local frames of patches, then frames of the whole cloud."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fa_pyg import checks
from fa_pyg.builders import Frame, PCAFrame
from fa_pyg.models.points.clouds import read_clouds
from fa_pyg.models.points.framed import FramedPoints
from fa_pyg.models.points.heads import mlp, scaled
from fa_pyg.models.points.pointnet import PointNet
from fa_pyg.neighbors.table import knn_table
from fa_pyg.nn import FrameAveraging

__all__ = ["FALocalPointNet"]


class FALocalPointNet(nn.Module):
    r"""FA-Local-PointNet (Puny et al. 2022): vectors in frames of patches, then a PointNet in global frames.

    The k points nearest to a point, itself included, are its patch. An MLP on their coordinates, from the
    nearest on, returns C vectors, averaged over the frames of the patch; a :class:`~fa_pyg.models.PointNet`
    reads these, and is averaged over the frames of the cloud of *all* of them:

    .. math:: v_i = x_i + \langle\phi\rangle_{F(x_{N(i)})}(x_{N(i)}) \in R^{C \times 3}, \qquad
              n = \langle\Phi\rangle_{F(v)}(v)

    Args:
        width: multiplies all widths; published: patches 60-63-126-126 (C = 42), points
            126-128-256-256-512-2048, joined 5248-256-256-128-3.
        k: number of points of a patch; published: 20. In clouds of fewer points they are repeated.
        num_classes: return logits of so many classes (head 512-256) instead of normals.
        frame: frame of the vectors of a cloud; published and default: ``PCAFrame("E(3)", detach=True)``.
        average: ``"vector"`` (published) or ``"tensor"``, see :class:`~fa_pyg.models.FramedPoints`.
        local_frame: frame of a patch; published and default: ``PCAFrame("E(3)", detach=True)``.

    Shapes:
        pos ``[N, 3]``, batch ``[N]`` or None; returns unit normals ``[N, 3]`` or logits ``[B, num_classes]``.

    Raises:
        ValueError: for arguments out of range and other shapes; by batch norm in training on a single cloud
            with ``num_classes``.

    Deviation: vectors of a patch are relative to its point, to which they are added, so that the second
    network knows where patches are.

    Not guaranteed: more than the frames guarantee; small patches are often symmetric. Where distances to
    neighbors are equal, as on symmetric parts, equivariance to rotations needs float64 and clouds of equal
    sizes (``fa_pyg.neighbors.table.knn_table``), and the order of the points matters.
    """

    def __init__(
        self,
        width: float = 1.0,
        k: int = 20,
        num_classes: int | None = None,
        frame: Frame | None = None,
        average: str = "vector",
        local_frame: Frame | None = None,
    ) -> None:
        super().__init__()
        self.k, vectors = checks.size("k", k), scaled(42, width)
        checks.instance("local_frame", local_frame, Frame, 'a frame such as PCAFrame("E(3)")', optional=True)
        frame = PCAFrame("E(3)", detach=True) if frame is None else frame
        local_frame = PCAFrame("E(3)", detach=True) if local_frame is None else local_frame
        patch = _PatchNet(3 * k, scaled(63, width), 3 * vectors)
        self.local = FrameAveraging(patch, local_frame, {"pos": "point"}, "vector", level="node")
        widths = (128, 256, 256, 512, 2048)
        net = PointNet(width, num_classes, False, normalize=False, channels=widths, num_vectors=vectors)
        self.framed = FramedPoints(net, frame, average)
        self.num_classes, self.average = num_classes, average

    def forward(self, pos: Tensor, batch: Tensor | None = None) -> Tensor:
        return self.framed(*self._points(pos, batch))

    def tensor(self, pos: Tensor, batch: Tensor | None = None) -> Tensor:
        """Return the average of the outer products, ``[N, 3, 3]`` (:meth:`FramedPoints.tensor`)."""
        return self.framed.tensor(*self._points(pos, batch))

    def _points(self, pos: Tensor, batch: Tensor | None) -> tuple[Tensor, Tensor]:
        """The points v ``[N, C, 3]``, and the cloud of each node."""
        clouds = read_clouds(pos, batch)
        patches = pos[knn_table(pos, self.k, clouds.batch, clouds.points)]
        vectors = self.local(patches, batch=torch.arange(len(pos), device=pos.device))
        return pos.unsqueeze(1) + vectors, clouds.batch


class _PatchNet(nn.Module):
    """MLP of patches ``[M, k, 3]`` to vectors ``[M, C, 3]``; with ``batch``, copies share a call."""

    def __init__(self, channels: int, hidden: int, out: int) -> None:
        super().__init__()
        self.net = nn.Sequential(mlp(nn.ReLU(inplace=True), channels, hidden, out), nn.Linear(out, out))

    def forward(self, pos: Tensor, batch: Tensor | None = None) -> Tensor:
        return self.net(pos.flatten(1)).unflatten(1, (-1, 3))
