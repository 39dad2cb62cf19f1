"""Weighted principal axes, in chosen signs or in all: exact and continuous on every input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from fa_pyg import checks
from fa_pyg.builders.base import MotionFrame
from fa_pyg.builders.cloud import Cloud
from fa_pyg.builders.eager import RAGGED
from fa_pyg.builders.pca import identity_frames, make_proper
from fa_pyg.builders.weighted.blend import Blend, Gaps, step
from fa_pyg.builders.weighted.moments import Moments
from fa_pyg.builders.weighted.orders import SORTED, are_ordered, order_weights, reordered
from fa_pyg.builders.weighted.signs import in_all_signs
from fa_pyg.builders.weighted.smoothness import SMOOTHNESS
from fa_pyg.builders.weighted.symmetric import symmetric_frames
from fa_pyg.frames import ALL_RANKS, NO_RANK, Frames
from fa_pyg.frames.motion import MotionFrames
from fa_pyg.groups import GroupLike
from fa_pyg.math.eigh import safe_eigh
from fa_pyg.math.projections import Projection
from fa_pyg.typed import integers

__all__ = ["WeightedPCAFrame"]


class WeightedPCAFrame(MotionFrame):
    r"""Weighted PCA frame: exact and continuous on every input, and smoother the more frames one pays for.

    A robust frame in the sense of Dym, Lawrence and Siegel (2024), who show that a single frame cannot be
    continuous. On a generic cloud its axes are the principal axes :math:`V` of Puny et al. (2022). With
    ``smoothness="forces"`` (the default) and ``"dynamics"`` they are taken in all signs h, and in every order
    :math:`\pi` of positive weight, so that neither signs nor orders are chosen:

    .. math:: F(x) = \{(V \pi h,\ w(\pi) / 2^d)\}, \qquad w(\pi) = \mathrm{entmax}_{1.5}\Big(
              \frac{1}{s \cdot \mathrm{order}} \textstyle\sum_k k \log \lambda_{\pi(k)}\Big)

    (half as many signs without reflections; s: the rate at which relative spreads change with the points, 1
    for vectors). With ``"fast"`` the signs are chosen, with the weights

    .. math:: w(h) = \mathrm{entmax}_{1.5}\Big(\tfrac1\tau \textstyle\sum_k h_k m_k\Big), \qquad
              m_k = \Big(\frac{\sum_i c_i s_{ik}^3}{\sum_i c_i |s_{ik}|^3}
              + \frac{\sum_i c_i^2 s_{ik}}{\sqrt{\sum_i c_i^2 \sum_i c_i^2 s_{ik}^2}}\Big)\; \sigma\Big(
              \frac{\lambda_k}{\mathrm{flat}^2 \sum_j \lambda_j}\Big), \qquad s_{ik} = v_k \cdot x_i

    (:math:`\sigma` a smooth step from 0 to 1, :math:`c_i` the node weights): a single sign pattern where all
    odd moments m are clearly not 0, equal weights where the cloud equals its mirror image. Near a zero of an
    odd moment this is *steep*: forces have spikes of a hundred times those of the model alone.

    Where eigenvalues nearly meet, where the cloud is nearly a line or a sphere, and where it is a point,
    other frames take over, in a continuous blend (``fa_pyg/builders/weighted/symmetric.py``). All weights
    have a Lipschitz continuous derivative, so that outputs and the forces -dE/dx of smooth models are
    continuous. A molecule with m symmetries has at least m frames.

    Args:
        group: ``"O(d)"``, ``"SO(d)"``, ``"E(d)"``, ``"SE(d)"`` for d <= 3, or ``"T(d)"``.
        tau: temperature of the scores of candidates, and of odd moments in ``"fast"``.
        gap: eigenvalues nearly meet where 1 - smaller / larger is below this (times s, except in ``"fast"``).
        node_weight: function from the call's node weights to invariant weights >= 0, e.g. from atomic numbers
            to masses; default the identity.
        smoothness: trade-off between the steepness of forces and the number of model runs. Measured for E(3)
            and SE(3): runs on 500 drug-like conformers; and, on twenty small molecules at room temperature,
            the largest force of random networks with frames, relative to the force of the bare networks
            (``benchmarks/weighted.py``, ``steepness.py``):
            ``"fast"`` 1.6 and 1.2 runs, 248 and 1209; ``"forces"`` 8.3 and 4.2, 3.6 and 3.6;
            ``"dynamics"`` 11 and 5.5, 1.5 and 1.5. Symmetric molecules take more: 13 and 54 for methane at
            SE(3) in the last two.
            Default ``"forces"``; but ``"fast"`` if ``tau``, ``gap``, ``flat`` or ``line`` is given.
        flat: fraction of the total spread (root of the trace) below which an axis has both signs in
            ``"fast"``.
        line: a cloud is a line if its other spreads together are below this fraction of the largest: blended
            from 1 / sqrt 2 of it.
        projection: ``"entmax15"``, or ``"sparsemax"``: fewer frames, continuous outputs but not forces.
        detach: treat the frames as constants. Faster, but forces computed through them are *wrong*.

    Raises:
        ValueError: for another dimension or smoothness, or a parameter out of range.

    Not guaranteed:

    * exactness on lines and points for outputs of rank 4 and more, or for declared inputs of rank 2 and more,
      or where all nodes of more than 1e-12 of the largest weight lie on a line, and the model reads others
      (:meth:`~fa_pyg.Frames.exact_for` reports all three);
    * errors below rounding / (tau * gap), with the rounding of the input relative to its size;
    * continuity of outputs other than scalars, and of forces, where all points coincide; of any output where,
      near a line, a declared vector that is not read goes to 0;
    * a bound on steepness: a network that changes within a tenth of an angstrom is steeper in any frame than
      one that is smooth over the size of a molecule;
    * fewer frames than symmetries. Beyond these there are at most about 16 axes, and 8 candidates across
      each, in all signs, however close the cloud is to a sphere.
    """

    signs: Tensor
    untraced = RAGGED

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
        given = {k: checks.number(k, x, above=0, below=1) for k, x in shares.items() if x is not None}
        given |= {} if tau is None else {"tau": checks.number("tau", tau, above=0)}
        if smoothness is None:  # these parameters are older than smoothness, and meant "fast" then
            smoothness = "fast" if given else "forces"
        self.smoothness = checks.one_of("smoothness", smoothness, SMOOTHNESS)
        self.widths = replace(SMOOTHNESS[smoothness], **given)
        order = self.widths.order
        if order and given.get("gap", 0) >= 0.5:  # s is up to 2, and on lines gap s < 1
            checks.refuse("gap", f'a number below 0.5 for smoothness="{smoothness}"', gap)
        checks.one_of("projection", projection, Projection.POWERS)
        self.projection = Projection(projection, self.widths.tau)
        self.order_projection = Projection(projection, order / 2) if order else None
        self.node_weight = checks.function("node_weight", node_weight, optional=True)
        self.detach = checks.flag("detach", detach)
        self.register_buffer("signs", self.group.signs(), persistent=False)

    def build(self, cloud: Cloud) -> MotionFrames:
        if self.node_weight is not None and cloud.weight is not None:
            weight = _mapped_weight(self.node_weight, cloud.weight)
            cloud = replace(cloud, weight=weight, types=False)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.detach):
            origin = cloud.origin(self.group)
            if not self.group.rotates:
                return identity_frames(cloud, origin, self.group.dim)
            frames = self._principal(cloud, origin)
        return frames.detach() if self.detach else frames  # forward-mode derivatives ignore the grad mode

    def _principal(self, cloud: Cloud, origin: Tensor | None) -> MotionFrames:
        """The frames of a group that rotates."""
        moments, widths = Moments(cloud, origin), self.widths
        second = moments.second()
        values, axes = safe_eigh(second)
        if not self.group.reflects:
            axes = make_proper(axes)
        # The distance from the origin bounds the rounding of points, not of vectors.
        far = origin if any(quantity.rep.affine for quantity in cloud.read) else None
        # Cubes overflow before squares do: then all numbers of the body, and of its frames, are NaN.
        if self.order_projection is None:
            odd = moments.odd(axes)
            gaps = Gaps.of(values + 0 * odd.detach().sum(1, keepdim=True), far, widths.gap, widths.line)
            # The moments of a point are rounding.
            odd = torch.where(gaps.point.unsqueeze(1), 0, self._damped(odd, values))
            return self._chosen_signs(cloud, origin, axes, odd, gaps)
        values = values + 0 * values.detach().sum(1, keepdim=True).pow(1.5)
        # The number of vectors is not meaningful: edges go both ways, and cells may be repeated.
        scale = torch.ones_like(values[:, 0]) if far is None else 2 / moments.participation(second).sqrt()
        near = None if widths.near is None else widths.near * scale
        gaps = Gaps.of(values, far, widths.gap * scale, widths.line, widths.start, near)
        parts = _Parts.of(are_ordered(values, scale, self.order_projection), gaps)
        return self._all_signs(cloud, origin, axes, second, scale, gaps, parts, self.order_projection)

    def _exactness(self, cloud: Cloud, origin: Tensor | None, parts: _Parts, blend: Blend) -> Tensor:
        """The highest rank of outputs that frames are exact for, of each body."""
        exact = torch.full((cloud.size,), ALL_RANKS, device=cloud.device)
        if not parts.is_unbounded:
            return exact
        # Frames of lines and points are as exact as the average over quarter turns, and do not read tensors.
        rank = 3 if all(quantity.rep.rank < 2 for quantity in cloud.declared) else NO_RANK
        some = torch.where((blend.line > 0) | blend.point, rank, ALL_RANKS)
        unseen = cloud.unseen(origin)
        if unseen is not None:  # nodes without weight may lie off the line that the others form
            unseen = unseen.index_select(0, parts.symmetric)
            some = torch.where((some < ALL_RANKS) & unseen, NO_RANK, some)
        return exact.scatter_(0, parts.symmetric, some)

    def _damped(self, odd: Tensor, values: Tensor) -> Tensor:
        """The odd moments, damped to 0 for axes along which the spread is small."""
        size = values.sum(1, keepdim=True)  # not the largest, which has a kink where it meets the second
        return odd * step(values / (size + (size == 0)) / self.widths.flat**2, 0)

    def _chosen_signs(
        self, cloud: Cloud, origin: Tensor | None, axes: Tensor, odd: Tensor, gaps: Gaps
    ) -> Frames:
        """Frames in the signs of positive weight, the largest weight first."""
        signs = self.signs.to(axes)
        score = odd @ signs.T
        best, pattern = score.detach().topk(min(len(signs), 2))
        parts = _Parts.of((best[:, :1] - best[:, 1:] >= self.projection.reach).all(1), gaps)
        rotation = axes * signs.index_select(0, pattern[:, 0]).unsqueeze(1)
        if parts.are_decided:
            return Frames.uniform(rotation.unsqueeze(0), origin, cloud.batch, ALL_RANKS)
        blend = gaps.blend(parts.symmetric)
        undecided, share = parts.undecided(blend)
        weight, pattern = self.projection.ranked(score.index_select(0, undecided))
        weight = weight * share.unsqueeze(1)
        slot, body = (~(weight.detach().T <= 0)).nonzero().unbind(1)  # a NaN keeps its frames
        pattern, weight, body = pattern[body, slot], weight[body, slot], undecided.index_select(0, body)
        found = [
            (rotation.index_select(0, parts.decided), parts.decided, weight.new_ones(len(parts.decided))),
            (axes.index_select(0, body) * signs.index_select(0, pattern).unsqueeze(1), body, weight),
            *(others[:3] for others in self._symmetric(cloud, origin, axes, odd, parts, blend)),
        ]
        rotation, body, weight = (torch.cat(part) for part in zip(*found, strict=True))
        exact = self._exactness(cloud, origin, parts, blend)
        return Frames.ragged(rotation, body, weight, cloud.size, origin, cloud.batch, exact)

    def _all_signs(
        self,
        cloud: Cloud,
        origin: Tensor | None,
        axes: Tensor,
        second: Tensor,
        scale: Tensor,
        gaps: Gaps,
        parts: _Parts,
        of_orders: Projection,
    ) -> MotionFrames:
        """Frames in all signs, and in the orders of positive weight."""
        signs = self.signs.to(axes)
        if parts.are_decided:
            frames = Frames.signed(axes, signs, origin, cloud.batch)
            return frames.with_exact(parts.decided.new_full((cloud.size,), ALL_RANKS))
        blend = gaps.blend(parts.symmetric)
        body, weight = parts.undecided(blend)
        found = [
            (axes.index_select(0, body), body, weight, torch.full_like(body, SORTED)),
            *self._symmetric(cloud, origin, axes, None, parts, blend),
        ]
        rotation, body, weight, rule = (torch.cat(part) for part in zip(*found, strict=True))
        moment, width = second.index_select(0, body), scale.index_select(0, body)
        weight = weight.unsqueeze(1) * order_weights(rotation, moment, width, rule, of_orders)
        frame, order = (~(weight.detach() <= 0)).nonzero().unbind(1)  # a NaN keeps its frames
        rotation = reordered(rotation.index_select(0, frame), order)
        rotation = rotation if self.group.reflects else make_proper(rotation)
        rotation = torch.cat([axes.index_select(0, parts.decided), rotation])
        body = torch.cat([parts.decided, body.index_select(0, frame)])
        weight = torch.cat([weight.new_ones(len(parts.decided)), weight[frame, order]])
        exact = self._exactness(cloud, origin, parts, blend)
        return in_all_signs(cloud, origin, rotation, body, weight, signs, exact)

    def _symmetric(
        self,
        cloud: Cloud,
        origin: Tensor | None,
        axes: Tensor,
        odd: Tensor | None,
        parts: _Parts,
        blend: Blend,
    ) -> list[tuple[Tensor, Tensor, Tensor, Tensor]]:
        """Rotation, body, weight and rule of frames of bodies whose principal axes do not suffice."""
        bodies = parts.symmetric
        if not len(bodies) or self.group.dim == 1:
            return []
        odd, axes = None if odd is None else odd.index_select(0, bodies), axes.index_select(0, bodies)
        given = cloud, origin, bodies, axes, odd, blend, self.group.reflects, self.projection
        rotation, body, weight, rule = symmetric_frames(*given, parts.is_free)
        return [(rotation, bodies.index_select(0, body), weight, rule)]

    def extra_repr(self) -> str:
        tail = ", detach=True" if self.detach else ""
        settings = f"smoothness={self.smoothness!r}, tau={self.widths.tau}, gap={self.widths.gap}"
        return f"{super().extra_repr()}, {settings}{tail}"


@dataclass(frozen=True)
class _Parts:
    """Bodies by what has to be decided: a single synchronization with the device.

    Args:
        decided: bodies whose only frame (in all signs, or in chosen ones) are their principal axes.
        mixed: bodies with good axes, in several signs or orders, or with NaN.
        symmetric: bodies whose principal axes do not suffice.
        is_free: whether a body has frames without a good axis.
        is_unbounded: whether a body is, at least nearly, a line or a point.
    """

    decided: Tensor
    mixed: Tensor
    symmetric: Tensor
    is_free: bool
    is_unbounded: bool

    @classmethod
    def of(cls, decided: Tensor, gaps: Gaps) -> _Parts:
        """Return the parts of bodies, of which some have a single sign or order if their axes are good."""
        decided, blended = gaps.clear & decided, gaps.blended
        kinds = torch.stack([decided, ~(decided | blended), blended, gaps.free, gaps.unbounded])
        *counts, free, unbounded = integers(kinds.sum(1))
        order = kinds[:3].int().argmax(0).argsort(stable=True)
        return cls(*order.split(counts), free > 0, unbounded > 0)

    @property
    def are_decided(self) -> bool:
        return not len(self.mixed) and not len(self.symmetric)

    def undecided(self, blend: Blend) -> tuple[Tensor, Tensor]:
        """The other bodies, and the shares of their principal axes, given the blend of the symmetric."""
        share = torch.cat([blend.generic.new_ones(len(self.mixed)), blend.generic])
        return torch.cat([self.mixed, self.symmetric]), share


def _mapped_weight(change: Callable[[Tensor], Any], given: Tensor) -> Tensor:
    """The node weights of the call, mapped by ``node_weight``."""
    weight = change(given)
    if not isinstance(weight, Tensor) or weight.shape != given.shape:
        found = list(weight.shape) if isinstance(weight, Tensor) else repr(weight)
        raise ValueError(f"node_weight: expected a function to {list(given.shape)}, found {found}")
    return weight
