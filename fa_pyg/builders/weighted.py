"""Principal axes with few, weighted signs; exact and continuous on every input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from fa_pyg import checks
from fa_pyg.builders.base import Frame
from fa_pyg.builders.cloud import Cloud
from fa_pyg.builders.moments import Blend, Moments, step
from fa_pyg.builders.pca import proper, unturned
from fa_pyg.builders.symmetric import symmetric_frames
from fa_pyg.eigh import safe_eigh
from fa_pyg.frames import ALL_RANKS, Frames
from fa_pyg.groups import GroupLike
from fa_pyg.projections import Projection

__all__ = ["WeightedPCAFrame"]


class WeightedPCAFrame(Frame):
    r"""Few weighted frames a graph: exact on every input, continuous in it, one on most inputs.

    A robust frame in the sense of Dym, Lawrence and Siegel (2024), who show that no single frame can be
    continuous. On a generic cloud these are the principal axes of Puny et al. (2022), not in all signs s but
    in those of positive weight

    .. math:: w(s) = \mathrm{entmax}_{1.5}\Big(\tfrac1\tau \textstyle\sum_k s_k m_k\Big), \qquad
              m_k = \Big(\frac{\sum_i c_i s_{ik}^3}{\sum_i c_i |s_{ik}|^3}
              + \frac{\sum_i c_i^2 s_{ik}}{\sqrt{\sum_i c_i^2 \sum_i c_i^2 s_{ik}^2}}\Big)\; \sigma\Big(
              \frac{\lambda_k}{\mathrm{flat}^2 \sum_j \lambda_j}\Big), \qquad s_{ik} = v_k \cdot x_i

    (:math:`\sigma` a smooth step from 0 to 1, :math:`c_i` the node weights): one pattern where all odd
    moments m are clear, equal weights where the cloud is its own mirror image, as exactness asks. Where
    eigenvalues nearly meet, where the cloud is nearly a line, and where it is a point, other frames take
    over, blended and never switched (:func:`~fa_pyg.builders.symmetric.symmetric_frames`). All weights are
    once differentiable with a Lipschitz continuous derivative, so that outputs and the forces -dE/dx of
    smooth models are continuous. A molecule of m symmetries has at least m frames: methane 24 under O(3),
    12 under SO(3).

    Args:
        group: ``"O(d)"``, ``"SO(d)"``, ``"E(d)"``, ``"SE(d)"`` for d <= 3, or ``"T(d)"``.
        tau: odd moments above this are clear. Larger: smoother in the input, more frames.
        gap: eigenvalues nearly meet where 1 - smaller / larger is below this; blended from half of it (with
            a third one far away, from a quarter).
        flat: share of the whole spread (root of the trace) below which an axis loses its sign.
        line: share of the largest spread below which the others together make the cloud a line: blended from
            1 / sqrt 2 of it.
        node_weight: makes invariant weights >= 0 of the node weights that the call hands over, e.g. masses of
            atomic numbers; default as they are.
        projection: ``"entmax15"``, or ``"sparsemax"``: fewer frames, continuous outputs but not forces.
        detach: treat the frames as constants. Faster, but forces taken through them are *wrong*.

    Raises:
        ValueError: for another dimension, or a parameter out of its range.

    Not guaranteed:

    * exactness on lines and points for outputs of rank 4 and more, nor for declared inputs of rank 2 and more
      (:meth:`~fa_pyg.Frames.exact_for` tells both), nor where all nodes of more than 1e-12 of the largest
      weight lie on a line, and a model sees others (it tells that, too);
    * more digits than rounding / (tau * gap), the rounding being that of the input relative to its size;
    * continuity of outputs other than scalars, and of forces, where all points meet in one; of any where,
      near a line, a declared vector that is not read goes to 0;
    * a bound on the number of frames: thousands of points evenly on a sphere or in a ball are nearly as
      symmetric as it, and have more frames than points. Take a smaller ``gap``, or a :class:`~fa_pyg.Sample`.
    """

    def __init__(
        self,
        group: GroupLike,
        tau: float = 0.025,
        gap: float = 0.05,
        node_weight: Callable[[Tensor], Tensor] | None = None,
        *,
        flat: float = 0.1,
        line: float = 0.1,
        projection: str = "entmax15",
        detach: bool = False,
    ) -> None:
        super().__init__(group)
        if self.group.rotates and self.group.dim > 3:
            raise ValueError(f"group: expected at most 3 dimensions, found {self.group}")
        tau = checks.number("tau", tau, above=0)
        for name, value in (("gap", gap), ("flat", flat), ("line", line)):
            checks.number(name, value, above=0, below=1)
        self.sharp = Projection(checks.one_of("projection", projection, Projection.POWERS), tau)
        self.gap, self.flat, self.line = gap, flat, line
        self.node_weight = checks.function("node_weight", node_weight, optional=True)
        self.detach = checks.flag("detach", detach)
        self.register_buffer("signs", self.group.signs(), persistent=False)

    def build(self, cloud: Cloud) -> Frames:
        if self.node_weight is not None and cloud.weight is not None:
            cloud = replace(cloud, weight=self._own_weight(cloud), types=False)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.detach):
            origin = cloud.origin(self.group)
            if not self.group.rotates:
                return unturned(cloud, origin, self.group.dim)
            return self._rotating(cloud, origin)

    def _rotating(self, cloud: Cloud, origin: Tensor | None) -> Frames:
        moments = Moments(cloud, origin)
        values, axes = safe_eigh(moments.second())
        if not self.group.reflects:
            axes = proper(axes)
        size = values.sum(1, keepdim=True)  # and not the largest, which has a kink where it meets the second
        odd = moments.odd(axes) * step(values / (size + (size == 0)) / self.flat**2, 0)
        # The distance from the origin tells the rounding of points, not of vectors.
        far = origin if any(quantity.rep.affine for quantity in cloud.read) else None
        # Cubes overflow before squares do: then the whole body is NaN, and has frames, of NaN.
        blend = Blend.of(values + 0 * odd.detach().sum(1, keepdim=True), far, self.gap, self.line)
        parts = self._signed(axes, odd, blend.generic)
        others = None
        if self.group.dim > 1:
            others = symmetric_frames(cloud, origin, axes, odd, blend, self.group.reflects, self.sharp)
        # Frames of lines and points are only as exact as the average over quarter turns, and know no tensors.
        rank = 3 if all(quantity.rep.rank < 2 for quantity in cloud.declared) else -1
        exact = torch.where((blend.line > 0) | blend.point, rank, ALL_RANKS)
        unseen = cloud.unseen(origin)
        if unseen is not None:  # what does not lie on the line, for all that the axes know
            exact = torch.where((exact < ALL_RANKS) & unseen, -1, exact)
        given = {"origin": origin, "batch": cloud.batch, "size": cloud.size, "exact": exact}
        if others is not None:
            parts = tuple(torch.cat(both) for both in zip(parts, others, strict=True))
        return Frames.ragged(*parts, **given)

    def _own_weight(self, cloud: Cloud) -> Tensor:
        """The weights that the callable makes of those of the call."""
        weight = self.node_weight(cloud.weight)
        if not isinstance(weight, Tensor) or weight.shape != cloud.weight.shape:
            found = list(weight.shape) if isinstance(weight, Tensor) else repr(weight)
            raise ValueError(f"node_weight: expected a function to {list(cloud.weight.shape)}, found {found}")
        return weight

    def _signed(self, axes: Tensor, odd: Tensor, share: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The principal axes in the signs that have weight: rotation, body and weight, heaviest first."""
        signs = self.signs.to(axes)
        weight, pattern = self.sharp.ranked(odd @ signs.T)
        weight = weight * share.unsqueeze(1)
        slot, body = (~(weight.detach().T <= 0)).nonzero().unbind(1)  # a NaN keeps its frames
        pattern = pattern[body, slot]
        rotation = axes.index_select(0, body) * signs.index_select(0, pattern).unsqueeze(1)
        return rotation, body, weight[body, slot]

    def extra_repr(self) -> str:
        tail = ", detach=True" if self.detach else ""
        return f"{super().extra_repr()}, tau={self.sharp.tau}, gap={self.gap}{tail}"
