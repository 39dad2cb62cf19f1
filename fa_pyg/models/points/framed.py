"""Networks on point clouds in frames: the average over frames as a composition."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from fa_pyg import checks
from fa_pyg.builders import Frame, PCAFrame
from fa_pyg.math.eigh import safe_eigh
from fa_pyg.math.linalg import working_dtype
from fa_pyg.models.points.dgcnn import DGCNN
from fa_pyg.models.points.heads import unit
from fa_pyg.models.points.pointnet import PointNet
from fa_pyg.nn import FrameAveraging
from fa_pyg.nn.invariants import keyword

__all__ = ["AVERAGES", "FADGCNN", "FAPointNet", "FramedPoints"]

AVERAGES = ("vector", "tensor")


class FramedPoints(nn.Module):
    r"""Network on point clouds, averaged over frames: equivariant normals, or invariant logits.

    Puny et al. (2022), "Frame Averaging for Invariant and Equivariant Network Design". Either vectors are
    averaged, or their outer products, of which the leading eigenvector is taken:

    .. math:: n_i \propto \sum_{g \in F(x)} w_g\, R_g\, \Phi(g^{-1} x)_i, \qquad
              T_i = \sum_{g \in F(x)} w_g\, R_g\, u_i u_i^\top R_g^\top, \quad
              u_i = \frac{\Phi(g^{-1} x)_i}{|\Phi(g^{-1} x)_i|}

    A normal without orientation may have one sign in one frame and the other in another: such vectors cancel,
    their products do not.

    Args:
        model: called ``model(pos, batch)``; returns vectors ``[N, 3]``, or logits ``[B, num_classes]`` if its
            attribute ``num_classes`` is not None.
        frame: any frame of motions; default ``PCAFrame("E(3)")``.
        average: ``"vector"`` or ``"tensor"``; logits are averaged as they are.

    Shapes:
        pos ``[N, 3]``, batch ``[N]`` or None; returns unit normals ``[N, 3]`` or logits ``[B, num_classes]``.

    Raises:
        ValueError: for arguments out of range, and as :class:`~fa_pyg.FrameAveraging` and the model.

    Not guaranteed: more than the frame and the model guarantee; a sign of leading eigenvectors. Their
    gradient is finite, but large where two eigenvalues of T nearly meet: train on :meth:`tensor`. The penalty
    of a :class:`~fa_pyg.models.PointNet` is not available.

    Example::

        frame = PerMode(train=HaarFrame("E(3)", k=1), eval=WeightedPCAFrame("E(3)"))
        model = FramedPoints(DGCNN(), frame, average="tensor")
        loss = 1 - torch.einsum("na,nab,nb->n", normal, model.tensor(pos, batch), normal).mean()
    """

    def __init__(self, model: nn.Module, frame: Frame | None = None, average: str = "vector") -> None:
        super().__init__()
        checks.instance("model", model, nn.Module, "a torch.nn.Module")
        self.average = checks.one_of("average", average, AVERAGES)
        self.num_classes = getattr(model, "num_classes", None)
        frame, inputs = PCAFrame("E(3)") if frame is None else frame, {"pos": "point"}
        read = _Outputs(model, self.num_classes, average)
        self.averaging = FrameAveraging(read, frame, inputs, read.rep, level=read.level)

    def forward(self, pos: Tensor, batch: Tensor | None = None) -> Tensor:
        if self.num_classes is None and self.average == "tensor":
            mean = self.tensor(pos, batch)
            return safe_eigh(mean.to(working_dtype(mean)))[1][..., -1].to(mean.dtype)
        out = self.averaging(pos, batch=batch)
        return out if self.num_classes is not None else unit(out)

    def tensor(self, pos: Tensor, batch: Tensor | None = None) -> Tensor:
        """Return the average of the outer products, ``[N, 3, 3]``: symmetric, of trace 1.

        The loss 1 - n' T n' of a normal n' is the average of 1 - (n' u)^2 over the frames.

        Raises:
            ValueError: for logits, and without ``average="tensor"``.
        """
        if self.num_classes is not None or self.average != "tensor":
            found = repr(self.average) if self.num_classes is None else f"{self.num_classes} classes"
            raise ValueError(f'average: expected "tensor", of normals, found {found}')
        return self.averaging(pos, batch=batch)


class FAPointNet(FramedPoints):
    """FA-PointNet (Puny et al. 2022): :class:`~fa_pyg.models.PointNet` without transforms, in frames.

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
    """FA-DGCNN (Puny et al. 2022): :class:`~fa_pyg.models.DGCNN` in frames.

    Every maximum is a mean, and coordinates in the frame are joined with the features (195-1024 and 1219 in
    place of 192-1024 and 1216).

    Args:
        width: multiplies all published widths.
        k: number of neighbors, counting the point itself; published: 40.
        num_classes: return logits of so many classes instead of normals.
        frame: any frame of motions; published and default: ``PCAFrame("E(3)")``.
        average: ``"vector"`` (published) or ``"tensor"``, see :class:`FramedPoints`.
        transforms: transform the points of each copy by a T-Net; nearly twice the time.
        dropout: of the first two layers of the head; published: 0.5.

    Shapes, and what is not guaranteed, are as for :class:`FramedPoints`. Where distances to neighbors are
    equal, as on symmetric parts, equivariance to rotations needs float64 and clouds of equal sizes
    (``fa_pyg.neighbors.table.knn_table``), and the order of the points matters.
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

    @property
    def invariants_of(self) -> Mapping[str, Any] | None:
        return getattr(self.model, "invariants_of", None)

    def invariants(self, pos: Tensor, batch: Tensor | None = None) -> dict[str, Tensor]:
        model: Any = self.model
        return model.invariants(pos, batch)

    def forward(
        self, pos: Tensor, batch: Tensor | None = None, invariants: Mapping[str, Tensor] | None = None
    ) -> Tensor:
        out = self.model(pos, batch, **keyword(invariants))
        if self.rep != "tensor":
            return out
        out = unit(out)
        return out.unsqueeze(2) * out.unsqueeze(1)
