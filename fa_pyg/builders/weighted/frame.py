"""Principal axes in chosen or in all signs, weighted; exact and continuous on every input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from fa_pyg import checks
from fa_pyg.builders.base import MotionFrame
from fa_pyg.builders.cloud import Cloud
from fa_pyg.builders.pca import identity_frames, make_proper
from fa_pyg.builders.weighted.moments import Blend, Moments, step
from fa_pyg.builders.weighted.orders import SORTED, soft_orders
from fa_pyg.builders.weighted.symmetric import symmetric_frames
from fa_pyg.frames import ALL_RANKS, Frames
from fa_pyg.groups import GroupLike
from fa_pyg.math.eigh import safe_eigh
from fa_pyg.math.projections import Projection

__all__ = ["LEVELS", "Level", "WeightedPCAFrame"]


@dataclass(frozen=True)
class Level:
    """How wide the blends of a weighted frame are: the wider, the more frames and the less steep outputs.

    Args:
        tau: temperature of the scores of candidates, and of the odd moments if signs are chosen by them.
        gap: relative gap of eigenvalues from which on they are apart.
        start: share of the gap from which on its blend begins.
        flat, line: relative spreads along an axis, and across a line.
        order: difference of the logarithms of two spreads from which on their order is clear; None where
            signs are chosen, else each frame is taken in all signs.
        near: anisotropy below which a cloud has no good axis.
    """

    tau: float
    gap: float
    start: float = 0.5
    flat: float = 0.1
    line: float = 0.1
    order: float | None = None
    near: float | None = None


LEVELS = {
    "fast": Level(tau=0.025, gap=0.05),
    "forces": Level(tau=0.035, gap=0.03, start=0.05, order=0.15, near=0.2),
    "dynamics": Level(tau=0.1, gap=0.2, start=0.5, order=0.8, near=0.25),
}


class WeightedPCAFrame(MotionFrame):
    r"""Weighted principal axes: exact on every input, continuous in it, and as smooth as one pays runs for.

    A robust frame in the sense of Dym, Lawrence and Siegel (2024), who show that no single frame can be
    continuous. On a generic cloud these are the principal axes :math:`V` of Puny et al. (2022). With
    ``smoothness="forces"`` (the default) and ``"dynamics"`` they are taken in all signs h, and in every order
    :math:`\pi` of positive weight, so that neither signs nor orders are chosen:

    .. math:: F(x) = \{(V \pi h,\ w(\pi) / 2^d)\}, \qquad w(\pi) = \mathrm{entmax}_{1.5}\Big(
              \frac{1}{s \cdot \mathrm{order}} \textstyle\sum_k k \log \lambda_{\pi(k)}\Big)

    (half as many signs without reflections; s: how fast relative spreads change with points, 1 for vectors).
    With ``"fast"`` the signs are chosen, with the weights

    .. math:: w(h) = \mathrm{entmax}_{1.5}\Big(\tfrac1\tau \textstyle\sum_k h_k m_k\Big), \qquad
              m_k = \Big(\frac{\sum_i c_i s_{ik}^3}{\sum_i c_i |s_{ik}|^3}
              + \frac{\sum_i c_i^2 s_{ik}}{\sqrt{\sum_i c_i^2 \sum_i c_i^2 s_{ik}^2}}\Big)\; \sigma\Big(
              \frac{\lambda_k}{\mathrm{flat}^2 \sum_j \lambda_j}\Big), \qquad s_{ik} = v_k \cdot x_i

    (:math:`\sigma` a smooth step from 0 to 1, :math:`c_i` the node weights): one pattern where all odd
    moments m are clear, equal weights where the cloud is its own mirror image. Where an odd moment is small
    that is *steep*: forces have spikes of a hundred times the model's own.

    Where eigenvalues nearly meet, where the cloud is nearly a line or a sphere, and where it is a point,
    other frames take over, blended and never switched (``fa_pyg/builders/symmetric.py``). All weights are
    once differentiable with a Lipschitz continuous derivative, so that outputs and the forces -dE/dx of
    smooth models are continuous. A molecule of m symmetries has at least m frames.

    Args:
        group: ``"O(d)"``, ``"SO(d)"``, ``"E(d)"``, ``"SE(d)"`` for d <= 3, or ``"T(d)"``.
        tau: temperature of the scores of candidates, and of odd moments in ``"fast"``.
        gap: eigenvalues nearly meet where 1 - smaller / larger is below this (times s, but in ``"fast"``).
        node_weight: makes invariant weights >= 0 of the node weights that the call hands over, e.g. masses of
            atomic numbers; default as they are.
        smoothness: how steep forces may be, and at how many runs of the model. Measured for E(3) and SE(3),
            runs on 500 drug-like conformers, and on twenty small molecules at room temperature the largest
            force of framed random networks over their own (``benchmarks/weighted.py``, ``steepness.py``):
            ``"fast"`` 1.6 and 1.2 runs, 248 and 1209; ``"forces"`` 8.3 and 4.2, 3.6 and 3.6;
            ``"dynamics"`` 11 and 5.5, 1.5 and 1.5. Symmetric molecules take more: 13 and 54 for methane at
            SE(3) in the last two.
            Default ``"forces"``; but ``"fast"`` where ``tau``, ``gap``, ``flat`` or ``line`` is given.
        flat: share of the whole spread (root of the trace) below which an axis loses its sign in ``"fast"``.
        line: share of the largest spread below which the others together make the cloud a line: blended from
            1 / sqrt 2 of it.
        projection: ``"entmax15"``, or ``"sparsemax"``: fewer frames, continuous outputs but not forces.
        detach: treat the frames as constants. Faster, but forces taken through them are *wrong*.

    Raises:
        ValueError: for another dimension or level, or a parameter out of its range.

    Not guaranteed:

    * exactness on lines and points for outputs of rank 4 and more, nor for declared inputs of rank 2 and more
      (:meth:`~fa_pyg.Frames.exact_for` tells both), nor where all nodes of more than 1e-12 of the largest
      weight lie on a line, and a model sees others (it tells that, too);
    * more digits than rounding / (tau * gap), the rounding being that of the input relative to its size;
    * continuity of outputs other than scalars, and of forces, where all points meet in one; of any where,
      near a line, a declared vector that is not read goes to 0;
    * a steepness: a network that changes within a tenth of an angstrom is steeper in any frame than one that
      is smooth over molecules;
    * fewer frames than symmetries: beyond these there are at most some 16 axes and 8 candidates across each,
      in all signs, however many points are nearly as symmetric as a sphere.
    """

    def __init__(
        self,
        group: GroupLike,
        tau: float | None = None,
        gap: float | None = None,
        node_weight: Callable[[Tensor], Tensor] | None = None,
        *,
        smoothness: str | None = None,
        flat: float | None = None,
        line: float | None = None,
        projection: str = "entmax15",
        detach: bool = False,
    ) -> None:
        super().__init__(group)
        if self.group.rotates and self.group.dim > 3:
            raise ValueError(f"group: expected at most 3 dimensions, found {self.group}")
        shares = {"gap": gap, "flat": flat, "line": line}
        given = {
            name: checks.number(name, x, above=0, below=1) for name, x in shares.items() if x is not None
        }
        given |= {} if tau is None else {"tau": checks.number("tau", tau, above=0)}
        if smoothness is None:  # what these parameters meant before there were levels
            smoothness = "fast" if given else "forces"
        self.smoothness = checks.one_of("smoothness", smoothness, LEVELS)
        if LEVELS[smoothness].order and given.get("gap", 0) >= 0.5:  # s is up to 2, and on lines gap s < 1
            checks.refuse("gap", f'a number below 0.5 for smoothness="{smoothness}"', gap)
        self.level = replace(LEVELS[smoothness], **given)
        self.sharp = Projection(checks.one_of("projection", projection, Projection.POWERS), self.level.tau)
        self.ordered = Projection(projection, self.level.order / 2) if self.level.order else None
        self.node_weight = checks.function("node_weight", node_weight, optional=True)
        self.detach = checks.flag("detach", detach)
        self.register_buffer("signs", self.group.signs(), persistent=False)

    def build(self, cloud: Cloud) -> Frames:
        if self.node_weight is not None and cloud.weight is not None:
            cloud = replace(cloud, weight=self._own_weight(cloud), types=False)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.detach):
            origin = cloud.origin(self.group)
            if not self.group.rotates:
                return identity_frames(cloud, origin, self.group.dim)
            frames = self._rotating(cloud, origin)
        return frames.detach() if self.detach else frames  # forward-mode derivatives do not ask for grad mode

    def _rotating(self, cloud: Cloud, origin: Tensor | None) -> Frames:
        moments, level = Moments(cloud, origin), self.level
        second = moments.second()
        values, axes = safe_eigh(second)
        if not self.group.reflects:
            axes = make_proper(axes)
        # The distance from the origin tells the rounding of points, not of vectors.
        far = origin if any(quantity.rep.affine for quantity in cloud.read) else None
        # Cubes overflow before squares do: then the whole body is NaN, and has frames, of NaN.
        if self.ordered is None:
            odd = moments.odd(axes)
            blend = Blend.of(values + 0 * odd.detach().sum(1, keepdim=True), far, level.gap, level.line)
            # At a point these are moments of rounding.
            odd = torch.where(blend.point.unsqueeze(1), 0, self._clear(odd, values))
            parts = self._chosen_signs(cloud, origin, axes, odd, blend)
        else:
            values = values + 0 * values.detach().sum(1, keepdim=True).pow(1.5)
            # The number of vectors says nothing: edges go both ways, and cells may be repeated.
            scale = torch.ones_like(values[:, 0]) if far is None else 2 / moments.participation().sqrt()
            blend = Blend.of(values, far, level.gap * scale, level.line, level.start, level.near * scale)
            parts = self._all_signs(cloud, origin, axes, second, scale, blend)
        # Frames of lines and points are only as exact as the average over quarter turns, and know no tensors.
        rank = 3 if all(quantity.rep.rank < 2 for quantity in cloud.declared) else -1
        exact = torch.where((blend.line > 0) | blend.point, rank, ALL_RANKS)
        unseen = cloud.unseen(origin)
        if unseen is not None:  # what does not lie on the line, for all that the axes know
            exact = torch.where((exact < ALL_RANKS) & unseen, -1, exact)
        return Frames.ragged(*parts, cloud.size, origin, cloud.batch, exact)

    def _clear(self, odd: Tensor, values: Tensor) -> Tensor:
        """The odd moments, but of axes along which there is little."""
        size = values.sum(1, keepdim=True)  # and not the largest, which has a kink where it meets the second
        return odd * step(values / (size + (size == 0)) / self.level.flat**2, 0)

    def _own_weight(self, cloud: Cloud) -> Tensor:
        """The weights that the callable makes of those of the call."""
        weight = self.node_weight(cloud.weight)
        if not isinstance(weight, Tensor) or weight.shape != cloud.weight.shape:
            found = list(weight.shape) if isinstance(weight, Tensor) else repr(weight)
            raise ValueError(f"node_weight: expected a function to {list(cloud.weight.shape)}, found {found}")
        return weight

    def _chosen_signs(
        self, cloud: Cloud, origin: Tensor | None, axes: Tensor, odd: Tensor, blend: Blend
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Rotation, body and weight of frames in the signs of weight, the principal axes' heaviest first."""
        signs = self.signs.to(axes)
        weight, pattern = self.sharp.ranked(odd @ signs.T)
        weight = weight * blend.generic.unsqueeze(1)
        slot, body = (~(weight.detach().T <= 0)).nonzero().unbind(1)  # a NaN keeps its frames
        pattern = pattern[body, slot]
        rotation = axes.index_select(0, body) * signs.index_select(0, pattern).unsqueeze(1)
        parts = rotation, body, weight[body, slot]
        if self.group.dim > 1:
            others = symmetric_frames(cloud, origin, axes, odd, blend, self.group.reflects, self.sharp)
            if others is not None:
                parts = tuple(torch.cat(both) for both in zip(parts, others[:3], strict=True))
        return parts

    def _all_signs(
        self,
        cloud: Cloud,
        origin: Tensor | None,
        axes: Tensor,
        second: Tensor,
        scale: Tensor,
        blend: Blend,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Rotation, body and weight of frames in all signs, and in the orders of weight."""
        body = (~(blend.generic.detach() <= 0)).nonzero().squeeze(1)
        parts = axes.index_select(0, body), body, blend.generic[body], torch.full_like(body, SORTED)
        if self.group.dim > 1:
            others = symmetric_frames(cloud, origin, axes, None, blend, self.group.reflects, self.sharp)
            if others is not None:
                parts = tuple(torch.cat(both) for both in zip(parts, others, strict=True))
        rotation, body, weight, way = parts
        moment, width = second.index_select(0, body), scale.index_select(0, body)
        rotation, frame, share = soft_orders(rotation, moment, width, way, self.ordered)
        if not self.group.reflects:
            rotation = make_proper(rotation)
        body, weight = body.index_select(0, frame), weight.index_select(0, frame) * share
        signs, k = self.signs.to(rotation), len(self.signs)
        rotation = (rotation * signs[:, None, None, :]).flatten(0, 1)
        return rotation, body.repeat(k), weight.repeat(k) / k

    def extra_repr(self) -> str:
        tail = ", detach=True" if self.detach else ""
        settings = f"smoothness={self.smoothness!r}, tau={self.level.tau}, gap={self.level.gap}"
        return f"{super().extra_repr()}, {settings}{tail}"
