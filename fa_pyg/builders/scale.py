"""Scale frame: the root mean square radius of each graph."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from fa_pyg import checks
from fa_pyg.builders.base import Frame
from fa_pyg.builders.cloud import Cloud, Quantity
from fa_pyg.builders.similarity import SimilarityFrame, of_motions
from fa_pyg.frames.similarity import positive
from fa_pyg.math.linalg import mean
from fa_pyg.typed import total

__all__ = ["ScaleFrame"]

# A root mean square below this multiple of the rounding of the centroid's coordinates is that of a point.
_ROUNDING = 32


class ScaleFrame(SimilarityFrame):
    r"""Frame of one element of the scalings R+: the root mean square radius of the points that are read.

    .. math:: \lambda(x)^2 = \frac{\sum_i w_i |x_i - \bar x|^2}{\sum_i w_i}, \qquad
              F(x) = \lambda(x)\, K(\lambda(x)^{-1} x)

    Inputs are divided by :math:`\lambda` to the power of their weight (``Rep(1, affine=True, scale=1)``), so
    that clouds have unit size; outputs are multiplied by it. Several inputs that are read, ``reads=["pos",
    "vel"]``, add up: :math:`\lambda^2 = \sum_k (\text{mean square})_k^{1/\text{scale}_k}`.

    Exact, also for the product with the group of K, since :math:`\lambda(\mu x) = \mu \lambda(x)` and
    motions k do not change :math:`\lambda`: let :math:`\Phi_K = \langle\Phi\rangle_K`, which is equivariant
    to the motions, and write D for the scalings. Then :math:`k D_\lambda = D_\lambda k'` with another motion
    k' (the translation is divided by :math:`\lambda`), and

    .. math:: \langle\Phi\rangle(D_\mu k x)
              = D_{\mu\lambda} \Phi_K(D_\lambda^{-1} D_\mu^{-1} D_\mu k x)
              = D_\mu D_\lambda \Phi_K(k' D_\lambda^{-1} x)
              = D_\mu D_\lambda k' \Phi_K(D_\lambda^{-1} x) = D_\mu k \langle\Phi\rangle(x)

    Where all points that are read coincide (one particle), every scaling fixes them, and a frame of finitely
    many scalings does not exist. There :math:`\lambda = 0`: the model runs on the input as it is, and its
    outputs that scale are multiplied by 0, the only value that all scalings leave alone. Points are then at
    their centroid. Read more inputs if that loses too much: velocities, if one particle moves.

    Args:
        frame: K, of a group without boosts: those are wrapped around, ``GalileanFrame(ScaleFrame(...))``.
        detach: treat the scale as a constant. Forces computed through it are *wrong*.

    Raises:
        ValueError: for another frame; in a call, unless all inputs that are read have a positive ``scale``.

    Not guaranteed: continuity where the points meet: inputs that do not vanish with them grow without bound
    in the frame. There outputs that do not scale are equivariant only if all scaling inputs vanish.
    """

    weight = "scale"

    def __init__(self, frame: Frame, detach: bool = False) -> None:
        group = of_motions(frame).group
        if group.boosts:
            raise ValueError(
                f"frame: expected one without boosts, as in GalileanFrame(ScaleFrame(...)), found {frame}"
            )
        super().__init__(frame, replace(group, scales=True))
        self.detach = checks.flag("detach", detach)

    def element(self, cloud: Cloud) -> Tensor:
        origin = cloud.origin(self.group)
        square = total(self._square(cloud, quantity, origin) for quantity in cloud.read)
        scale = torch.where(square == 0, 0, positive(square).sqrt())
        return scale.detach() if self.detach else scale

    def _square(self, cloud: Cloud, quantity: Quantity, origin: Tensor | None) -> Tensor:
        """The mean square of a quantity, in the units of the square of a length."""
        weight = quantity.rep.scale
        if weight <= 0:
            raise ValueError(
                f"reads: expected inputs with a positive scale, as in Rep(1, scale=1), found {quantity.rep}"
            )
        rows, index, node_weight = cloud.centered(quantity, origin)
        square = mean(rows.square().sum(1, keepdim=True), index, cloud.size, node_weight).squeeze(1)
        if origin is not None and quantity.rep.affine:
            far = (_ROUNDING * torch.finfo(rows.dtype).eps) ** 2 * origin.detach().square().sum(1)
            square = torch.where(square <= far, 0, square)
        return torch.where(square == 0, 0, positive(square).pow(1 / weight))

    def extra_repr(self) -> str:
        return "detach=True" if self.detach else ""
