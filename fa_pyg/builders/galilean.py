"""Galilean frame: the mean velocity of each graph."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from fa_pyg import checks
from fa_pyg.builders.base import Frame
from fa_pyg.builders.cloud import Cloud
from fa_pyg.builders.similarity import SimilarityFrame, of_motions
from fa_pyg.math.linalg import mean

__all__ = ["GalileanFrame"]


class GalileanFrame(SimilarityFrame):
    r"""Frame of one element of the boosts: the mean velocity u of each graph.

    .. math:: u(x) = \frac{\sum_i w_i v_i}{\sum_i w_i}, \qquad F(x) = u(x)\, K(x - \text{boost} \cdot u(x))

    The velocities are the first declared vector with a weight under boosts (``Rep(1, boost=1)``). Weighted by
    masses, ``node_weight="mass"``, u is that of the center of mass. Positions at the time of the velocities
    have ``boost=0``, those to be predicted at a time t later ``Rep(1, affine=True, boost=t)``.

    Exact on every input, also for the product with the group of K. An element g of this group with the
    rotation R and the boost w takes u(x) to :math:`R u(x) + w`, so that :math:`h(gx) = g\, h(x)\, k` with a
    motion k. With :math:`\Phi_K = \langle\Phi\rangle_K`, which is equivariant to motions,

    .. math:: \langle\Phi\rangle(gx) = h(gx)\, \Phi_K(h(gx)^{-1} g x) = g h k\, \Phi_K(k^{-1} h^{-1} x)
              = g h\, \Phi_K(h^{-1} x) = g\, \langle\Phi\rangle(x)

    Args:
        frame: K; :class:`~fa_pyg.ScaleFrame` for scalings as well.
        detach: treat the velocity as a constant. Forces computed through it are *wrong*.

    Raises:
        ValueError: for a frame of permutations; in a call, if no declared vector has a weight under boosts.
    """

    weight = "boost"

    def __init__(self, frame: Frame, detach: bool = False) -> None:
        super().__init__(frame, replace(of_motions(frame).group, boosts=True))
        self.detach = checks.flag("detach", detach)

    def element(self, cloud: Cloud) -> Tensor:
        velocities = [q for q in cloud.declared if q.rep.boost and not q.rep.affine]
        if not velocities:
            wanted = "a velocity, such as Rep(1, boost=1)"
            raise ValueError(f"inputs of a GalileanFrame: expected {wanted}, found only points with a boost")
        quantity = velocities[0]
        rows, index, weight = cloud.rows(quantity)
        velocity = mean(rows, index, cloud.size, weight) / quantity.rep.boost
        return velocity.detach() if self.detach else velocity

    def extra_repr(self) -> str:
        return "detach=True" if self.detach else ""
