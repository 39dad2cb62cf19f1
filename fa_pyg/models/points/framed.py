"""Networks on point clouds in frames: the average over frames as a composition."""

from __future__ import annotations

from torch import Tensor, nn

from fa_pyg import checks
from fa_pyg.builders import Frame, PCAFrame
from fa_pyg.math.eigh import safe_eigh
from fa_pyg.models.points.dgcnn import DGCNN
from fa_pyg.models.points.heads import unit
from fa_pyg.models.points.pointnet import PointNet
from fa_pyg.nn import FrameAveraging

__all__ = ["AVERAGES", "FADGCNN", "FAPointNet", "FramedPoints"]

AVERAGES = ("vector", "tensor")


class FramedPoints(nn.Module):
    r"""Any network on point clouds, averaged over frames: equivariant normals, or invariant logits.

    Puny et al. (2022), "Frame Averaging for Invariant and Equivariant Network Design". The average of
    vectors, normalized, or of their outer products, of which the leading eigenvector is taken:

    .. math:: n_i \propto \sum_{g \in F(x)} w_g\, g\, \Phi(g^{-1} x)_i, \qquad
              T_i = \sum_{g \in F(x)} w_g\, g\, u_i u_i^\top g^\top, \quad u_i = \Phi(g^{-1} x)_i / |\cdot|

    Normals without orientation are directions: vectors of opposite sign, of which one copy returns n and
        another
    -n, cancel in the first average, and agree in the second.

    Args:
        model: called ``model(pos, batch)``; returns vectors ``[N, 3]``, or logits ``[B, num_classes]`` where
            its ``num_classes`` is not None.
        frame: any frame of motions; default ``PCAFrame("E(3)")``.
        average: ``"vector"`` or ``"tensor"``; of no effect on logits.

    Shapes:
        pos ``[N, 3]``, batch ``[N]`` or None; returns unit normals ``[N, 3]``, or logits ``[B,
        num_classes]``.

    Not guaranteed: more than the frame and the model guarantee. The sign of a leading eigenvector is
        arbitrary;
    its gradient is finite, but large where T has nearly equal eigenvalues: train on :meth:`tensor`.

    Example::

        frame = PerMode(train=HaarFrame("E(3)", k=1), eval=WeightedPCAFrame("E(3)"))
        model = FramedPoints(DGCNN(), frame, average="tensor")
        loss = 1 - torch.einsum("na,nab,nb->n", normal, model.tensor(pos, batch), normal).mean()
    """

    def __init__(self, model: nn.Module, frame: Frame | None = None, average: str = "vector") -> None:
        super().__init__()
        self.average = checks.one_of("average", average, AVERAGES)
        self.num_classes = getattr(model, "num_classes", None)
        frame, inputs = PCAFrame("E(3)") if frame is None else frame, {"pos": "point"}
        read = _Outputs(model, self.num_classes, average)
        self.averaging = FrameAveraging(read, frame, inputs, read.rep, level=read.level)

    def forward(self, pos: Tensor, batch: Tensor | None = None) -> Tensor:
        if self.num_classes is None and self.average == "tensor":
            return leading(self.tensor(pos, batch))
        out = self.averaging(pos, batch=batch)
        return out if self.num_classes is not None else unit(out)

    def tensor(self, pos: Tensor, batch: Tensor | None = None) -> Tensor:
        """Return the average of the outer products, ``[N, 3, 3]``: symmetric, of trace 1.

        The loss of a normal n' without orientation is 1 - n' T n'.

        Raises:
            ValueError: for a model of classes, and for ``average="vector"``.
        """
        if self.num_classes is not None or self.average != "tensor":
            raise ValueError(
                f'average: expected "tensor" of normals, found {self.average!r}, {self.num_classes}'
            )
        return self.averaging(pos, batch=batch)


class FAPointNet(FramedPoints):
    """FA-PointNet (Puny et al. 2022): :class:`~fa_pyg.models.PointNet` without T-Nets, in frames of the
    cloud.

    Args:
        width: multiplies all published widths.
        num_classes: return logits of so many classes instead of normals.
        frame: any frame of motions; published and default: ``PCAFrame("E(3)")``.
        average: ``"vector"`` (published) or ``"tensor"``, see :class:`FramedPoints`.

    Shapes, and what is not guaranteed, are as for :class:`FramedPoints`.
    """

    def __init__(
        self,
        width: float = 1.0,
        num_classes: int | None = None,
        frame: Frame | None = None,
        average: str = "vector",
    ) -> None:
        super().__init__(PointNet(width, num_classes, transforms=False, normalize=False), frame, average)


class FADGCNN(FramedPoints):
    """FA-DGCNN (Puny et al. 2022): :class:`~fa_pyg.models.DGCNN` in frames of the cloud.

    Every maximum is a mean, and the coordinates in the frame are joined with the features.

    Args:
        width: multiplies all published widths.
        k: number of neighbors, counting the point; published: 40.
        num_classes: return logits of so many classes instead of normals.
        frame: any frame of motions; published and default: ``PCAFrame("E(3)")``.
        average: ``"vector"`` (published) or ``"tensor"``, see :class:`FramedPoints`.
        transforms: transform points by a T-Net inside of the frame. It has no task left in a frame, and takes
            a third of the time.
        dropout: share of the features of the head's first two layers.

    Shapes, and what is not guaranteed, are as for :class:`FramedPoints`; nor equivariance where distances to
    neighbors are equal, as on symmetric parts: which of them are kept depends on rounding.
    """

    def __init__(
        self,
        width: float = 1.0,
        k: int = 40,
        num_classes: int | None = None,
        frame: Frame | None = None,
        average: str = "vector",
        transforms: bool = True,
        dropout: float = 0.5,
    ) -> None:
        net = DGCNN(width, k, num_classes, transforms, "mean", False, coordinates=True, dropout=dropout)
        super().__init__(net, frame, average)


class _Outputs(nn.Module):
    """Outputs of a model as what is averaged: logits, vectors, or outer products of unit vectors."""

    def __init__(self, model: nn.Module, num_classes: int | None, average: str) -> None:
        super().__init__()
        self.model = model
        self.rep = average if num_classes is None else "scalar"
        self.level = "node" if num_classes is None else "graph"

    def forward(self, pos: Tensor, batch: Tensor | None = None) -> Tensor:
        out = self.model(pos, batch)
        if self.rep != "tensor":
            return out
        out = unit(out)
        return out.unsqueeze(2) * out.unsqueeze(1)


def leading(tensor: Tensor) -> Tensor:
    """Return a unit eigenvector of the largest eigenvalue, ``[N, 3]`` of ``[N, 3, 3]``."""
    return safe_eigh(tensor)[1][..., -1]
