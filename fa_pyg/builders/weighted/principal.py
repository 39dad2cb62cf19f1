"""Principal axes of clouds, and what decides whether they suffice."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fa_pyg.builders.cloud import Cloud, Columns
from fa_pyg.builders.pca import make_proper
from fa_pyg.builders.weighted.blend import Blend, Gaps, step
from fa_pyg.builders.weighted.moments import Moments
from fa_pyg.builders.weighted.smoothness import Smoothness
from fa_pyg.frames import ALL_RANKS, NO_RANK
from fa_pyg.math.eigh import safe_eigh
from fa_pyg.math.projections import Projection

__all__ = ["Principal", "Settings"]


@dataclass(frozen=True)
class Settings:
    """Settings of a weighted frame: what it chooses, and how.

    Args:
        widths: the widths of the blends.
        projection: the projection of scores of candidates, and of signs, to weights.
        of_orders: that of scores of orders, where frames are taken in all signs.
        reflects: whether the group has reflections.
    """

    widths: Smoothness
    projection: Projection
    of_orders: Projection
    reflects: bool

    @classmethod
    def of(cls, widths: Smoothness, projection: str, reflects: bool) -> Settings:
        """Return the settings for some widths and the name of a projection."""
        of_orders = Projection(projection, (widths.order or 1) / 2)
        return cls(widths, Projection(projection, widths.tau), of_orders, reflects)


@dataclass(frozen=True)
class Principal:
    """Principal axes of a cloud, and what decides whether they suffice.

    Args:
        cloud, origin: the cloud, and the origin of its points.
        settings: what the frame chooses.
        axes: the axes in the columns, by ascending spread; proper without reflections.
        second: the second moments.
        values: the spreads.
        scale: the rate at which relative spreads change with the points, which widths are relative to.
        gaps: whether axes are good.
        odd: odd moments along the axes; None if frames are taken in all signs.

    Shapes:
        axes and second ``[B, d, d]``, values and odd ``[B, d]``, scale ``[B]``.
    """

    cloud: Cloud
    origin: Tensor | None
    settings: Settings
    axes: Tensor
    second: Tensor
    values: Tensor
    scale: Tensor
    gaps: Gaps
    odd: Tensor | None

    @classmethod
    def of(cls, cloud: Cloud, origin: Tensor | None, columns: list[Columns], settings: Settings) -> Principal:
        """Return the principal axes of a cloud, given its origin and columns (``Cloud.columns``)."""
        moments, widths = Moments(cloud, columns), settings.widths
        second = moments.second()
        values, axes = safe_eigh(second)
        axes = axes if settings.reflects else make_proper(axes)
        # The distance from the origin bounds the rounding of points, not of vectors.
        far = origin if any(quantity.rep.affine for quantity in cloud.read) else None
        one = torch.ones_like(values[:, 0])
        # Cubes overflow before squares do: then all numbers of the body, and of its frames, are NaN.
        if widths.order is None:
            odd = moments.odd(axes)
            gaps = Gaps.of(values + 0 * odd.detach().sum(1, keepdim=True), far, widths.gap, widths.line)
            # The moments of a point are rounding.
            odd = _damped(odd, values, widths.flat).masked_fill(gaps.point.unsqueeze(1), 0)
            return cls(cloud, origin, settings, axes, second, values, one, gaps, odd)
        values = values + 0 * values.detach().sum(1, keepdim=True).pow(1.5)
        # The number of vectors is not meaningful: edges go both ways, and cells may be repeated.
        scale = one if far is None else 2 / moments.participation(second).sqrt()
        near = None if widths.near is None else widths.near * scale
        gaps = Gaps.of(values, far, widths.gap * scale, widths.line, widths.start, near)
        return cls(cloud, origin, settings, axes, second, values, scale, gaps, None)

    def exactness(self, blend: Blend, bodies: Tensor | None = None) -> Tensor:
        """Return the highest rank of outputs that frames are exact for: of all bodies, or of some."""
        cloud = self.cloud
        # Frames of lines and points are as exact as the average over quarter turns, and do not read tensors.
        rank = 3 if all(quantity.rep.rank < 2 for quantity in cloud.declared) else NO_RANK
        exact = torch.where((blend.line > 0) | blend.point, rank, ALL_RANKS)
        unseen = cloud.unseen(self.origin)
        if unseen is None:
            return exact
        unseen = unseen if bodies is None else unseen.index_select(0, bodies)
        # Nodes without weight may lie off the line that the others form.
        return torch.where((exact < ALL_RANKS) & unseen, NO_RANK, exact)


def _damped(odd: Tensor, values: Tensor, flat: float) -> Tensor:
    """The odd moments, damped to 0 for axes along which the spread is small."""
    size = values.sum(1, keepdim=True)  # not the largest, which has a kink where it meets the second
    return odd * step(values / (size + (size == 0)) / flat**2, 0)
