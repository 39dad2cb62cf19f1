"""Random scales and boosts of each graph, for data augmentation."""

from __future__ import annotations

import torch
from torch import Tensor

from fa_pyg import checks
from fa_pyg.builders.base import Frame
from fa_pyg.builders.cloud import Cloud
from fa_pyg.builders.similarity import SimilarityFrame, of_motions
from fa_pyg.groups.draw import draw

__all__ = ["RandomBoostFrame", "RandomScaleFrame"]


class _RandomFrame(SimilarityFrame):
    """A random element for each graph and call, around frames of motions."""

    is_random = draws = True

    def __init__(self, frame: Frame, sigma: float, generator: torch.Generator | None) -> None:
        super().__init__(frame, of_motions(frame).group)
        self.sigma = checks.number("sigma", sigma, 0)
        self.generator = checks.instance(
            "generator", generator, torch.Generator, "a torch.Generator", optional=True
        )

    def normal(self, cloud: Cloud, *shape: int) -> Tensor:
        """Draw normal numbers of standard deviation ``sigma`` for each graph."""
        size, device, dtype = (cloud.size, *shape), cloud.device, cloud.dtype
        return self.sigma * draw(torch.randn, *size, generator=self.generator, device=device, dtype=dtype)

    def extra_repr(self) -> str:
        return f"sigma={self.sigma}"


class RandomScaleFrame(_RandomFrame):
    r"""Data augmentation by a random scale for each graph and call, around a frame of motions.

    .. math:: F(x) = \lambda\, K(\lambda^{-1} x), \qquad \log \lambda \sim \mathcal N(0, \sigma^2)

    The group R+ of scalings is not compact: it does not have a Haar *probability* measure, so that this is
    not group averaging, and averages are not equivariant to scalings, not even in expectation. It is for
    training: the model sees each input, and predicts each output, in another scale at every step, and the
    loss compares outputs in the units of the data.

    .. code-block:: python

        frame = PerMode(train=RandomScaleFrame(HaarFrame("E(3)"), 0.4), eval=PCAFrame("E(3)"))
        point = Rep(1, affine=True, scale=1)
        model = FrameAveraging(net, frame, {"pos": point, "charge": Rep(scale=1.5)}, output=point)

    Args:
        frame: K; the group of this frame is that of K.
        sigma: standard deviation of log :math:`\lambda`.
        generator: for reproducible draws; default the global generator of torch.

    Raises:
        ValueError: for a frame of permutations; in a call, if no declared vector or point scales.
    """

    weight = "scale"

    def __init__(self, frame: Frame, sigma: float = 0.4, generator: torch.Generator | None = None) -> None:
        super().__init__(frame, sigma, generator)

    def element(self, cloud: Cloud) -> Tensor:
        return self.normal(cloud).exp()


class RandomBoostFrame(_RandomFrame):
    r"""Data augmentation by a random boost for each graph and call, around a frame of motions.

    .. math:: F(x) = u\, K(x - \text{boost} \cdot u), \qquad u_i \sim \mathcal N(0, \sigma^2)

    Like the scalings, the group of boosts does not have a Haar probability measure: see
    :class:`RandomScaleFrame`. :class:`~fa_pyg.GalileanFrame` is exact, and as cheap.

    Args:
        frame: K; the group of this frame is that of K.
        sigma: standard deviation of each component of the velocity.
        generator: for reproducible draws; default the global generator of torch.

    Raises:
        ValueError: for a frame of permutations; in a call, if no declared input has a weight under boosts.
    """

    weight = "boost"

    def __init__(self, frame: Frame, sigma: float = 1.0, generator: torch.Generator | None = None) -> None:
        super().__init__(frame, sigma, generator)

    def element(self, cloud: Cloud) -> Tensor:
        return self.normal(cloud, self.group.dim)
