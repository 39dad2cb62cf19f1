"""Polar frames: polar decomposition of three labeled vectors, such as a cell; infinitely smooth."""

from __future__ import annotations

import torch
from torch import Tensor

from fa_pyg.builders.base import MotionFrame
from fa_pyg.builders.cloud import Cloud
from fa_pyg.builders.eager import RAGGED
from fa_pyg.builders.pca import identity_frames
from fa_pyg.frames import ALL_RANKS, Frames
from fa_pyg.groups import GroupLike
from fa_pyg.math.linalg import is_at_hand
from fa_pyg.math.polar import orthogonal_factor
from fa_pyg.typed import computed, cross, det

__all__ = ["PolarFrame"]

_FLAT = 1e-10  # of the determinant of unit vectors, below which they count as dependent


class PolarFrame(MotionFrame):
    r"""Polar frame: the polar decomposition of three labeled vectors of each graph, infinitely smooth.

    .. math:: U = (a/|a|,\; b/|b|,\; c/|c|)^\top = P\,Q, \qquad P = (U U^\top)^{1/2}, \qquad
              F = \{Q^\top\}, \qquad U g^\top = P\,(Q g^\top) \;\Rightarrow\; F \mapsto g F

    The axes are the orthonormal ones nearest to the three unit vectors (symmetric orthogonalization, Löwdin
    1950), and a rotation changes Q alone. Lengths do not matter: a cell repeated n1 x n2 x n3 times along its
    vectors has the axes of the cell. Under SO(3) and SE(3) the axes of a left-handed triple are reversed, -Q.

    If one vector is zero, as in a slab, the normal of the other two replaces it. The normal is a
    pseudovector: under O(3) and E(3) there are two frames, one for each sign.

    Args:
        group: ``"O(3)"``, ``"SO(3)"``, ``"E(3)"``, ``"SE(3)"`` or ``"T(3)"``.

    Shapes:
        reads three rows of each graph, in their order, ``[B, 3, 3]`` or ``[3 B, 3]``.

    Raises:
        ValueError: for another dimension, another number of vectors, or (checked on CPU only) dependent
            vectors.

    Not guaranteed: independence of the order, the signs and the choice of the vectors: a frame of labeled
    vectors does not have the symmetries of a crystal. Right multiplication by ``"Oh"``
    (:class:`~fa_pyg.CosetFrame`) makes order and signs irrelevant, at 48 runs.
    """

    def __init__(self, group: GroupLike) -> None:
        super().__init__(group)
        if self.group.dim != 3:
            raise ValueError(f"group: expected three dimensions, found {self.group}")

    @computed
    def untraced(self) -> str | None:
        return RAGGED if self.group.reflects else None

    def build(self, cloud: Cloud) -> Frames:
        origin = cloud.origin(self.group)
        if not self.group.rotates:
            return identity_frames(cloud, origin, 3)
        vectors, absent = _unit(_labeled(cloud))
        flat = absent.any(1)
        # Row i of a slab becomes the normal, in the cyclic order that makes the determinant positive.
        normal = cross(vectors.roll(-1, 1), vectors.roll(-2, 1), dim=2)
        normal = torch.nn.functional.normalize(torch.where(absent.unsqueeze(2), normal, 0).sum(1), dim=1)
        vectors = torch.where(absent.unsqueeze(2), normal.unsqueeze(1), vectors)
        _check_independent(vectors, absent)
        rotation = orthogonal_factor(vectors).mT
        if not self.group.reflects:
            rotation = rotation * det(rotation.detach()).sign().view(-1, 1, 1)
            return Frames.uniform(rotation.unsqueeze(0), origin, cloud.batch, exact=ALL_RANKS)
        other = torch.where(absent.unsqueeze(1), -rotation, rotation)
        body = torch.arange(cloud.size, device=cloud.device)
        second = flat.nonzero().squeeze(1)
        return Frames.ragged(
            torch.cat([rotation, other.index_select(0, second)]),
            torch.cat([body, second]),
            (1 / (1 + flat.to(rotation)))[torch.cat([body, second])],
            cloud.size,
            origin,
            cloud.batch,
            torch.full_like(body, ALL_RANKS),
        )


def _labeled(cloud: Cloud) -> Tensor:
    """The three vectors of each body, ``[B, 3, 3]``."""
    rows, index, _ = cloud.rows(cloud.read[0])
    if index is not None:
        rows = rows.index_select(0, index.argsort(stable=True))
    wrong = len(cloud.read) != 1 or rows.size(0) != 3 * cloud.size
    if wrong or (
        index is not None and is_at_hand(index) and (index.bincount(minlength=cloud.size) != 3).any()
    ):
        wanted = f"three for each of {cloud.size} graphs, in one input"
        raise ValueError(f"vectors: expected {wanted}, found {rows.size(0)} rows")
    return rows.view(cloud.size, 3, 3)


def _unit(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """The normalized vectors, and which of them are zero, ``[B, 3]``."""
    absent = (vectors == 0).all(2)
    square = vectors.square().sum(2) + absent
    return vectors / square.sqrt().unsqueeze(2), absent


def _check_independent(vectors: Tensor, absent: Tensor) -> None:
    """Raise ValueError for linearly dependent vectors (checked on CPU only, to avoid a device sync)."""
    if is_at_hand(vectors):
        wrong = (det(vectors.detach()).abs() < _FLAT) | (absent.sum(1) > 1)
        if wrong.any():
            graph = int(wrong.nonzero()[0])
            wanted = "expected three independent vectors, or two and a zero"
            raise ValueError(f"vectors: {wanted}, found dependent ones in graph {graph}")
