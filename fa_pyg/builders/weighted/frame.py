"""Weighted principal axes, in chosen signs or in all: exact and continuous on every input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NoReturn

import torch
from torch import Tensor

from fa_pyg import checks
from fa_pyg.builders.base import MotionFrame
from fa_pyg.builders.cloud import Cloud
from fa_pyg.builders.eager import RAGGED
from fa_pyg.builders.pca import identity_frames
from fa_pyg.builders.weighted.fixed import frames_of_fixed_number
from fa_pyg.builders.weighted.principal import Principal, Settings
from fa_pyg.builders.weighted.ragged import frames_in_all_signs, frames_in_chosen_signs
from fa_pyg.builders.weighted.smoothness import SMOOTHNESS
from fa_pyg.frames import Frames
from fa_pyg.groups import GroupLike
from fa_pyg.math.projections import Projection
from fa_pyg.typed import computed, in_functional_transform

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
        max_frames: K, for frames of fixed number: the same frames, padded by copies of weight 0 to K of each
            body (fewer where no body can have K), so that shapes do not depend on the data: for
            ``torch.compile`` and ``torch.export``, and for CUDA graphs. Every body takes K model runs. A
            multiple of the number of signs (8 for E(3), 4 for SE(3)) where these are all taken. Of 500
            drug-like conformers all have at most 8 with ``"fast"``; with ``"forces"`` 97 % have at most 8 and
            all at most 48 for E(3), 4 and 24 for SE(3). Points, and bodies without nodes, have 48 and 24, or,
            if K is smaller, 8 and 4, which are exact for scalars and vectors only
            (:meth:`~fa_pyg.Frames.exact_for` reports it). Default: as many frames as there are.

    Raises:
        ValueError: for another dimension or smoothness, or a parameter out of range; for a body of more than
            ``max_frames`` frames of positive weight, naming it, except in compiled code, where all weights of
            such a body are NaN.

    Not guaranteed:

    * exactness on lines and points for outputs of rank 4 and more, or for declared inputs of rank 2 and more,
      or where all nodes of more than 1e-12 of the largest weight lie on a line, and the model reads others
      (:meth:`~fa_pyg.Frames.exact_for` reports all three);
    * with ``max_frames``, anything of a body that has more frames: dropping some would be neither exact nor
      continuous, so that compiled code returns NaN;
    * errors below rounding / (tau * gap), with the rounding of the input relative to its size;
    * continuity of outputs other than scalars, and of forces, where all points coincide; of any output where,
      near a line, a declared vector that is not read goes to 0;
    * a bound on steepness: a network that changes within a tenth of an angstrom is steeper in any frame than
      one that is smooth over the size of a molecule;
    * fewer frames than symmetries. Beyond these there are at most about 16 axes, and 8 candidates across
      each, in all signs, however close the cloud is to a sphere.
    """

    signs: Tensor

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
        max_frames: int | None = None,
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
        widths = replace(SMOOTHNESS[smoothness], **given)
        if widths.order and given.get("gap", 0) >= 0.5:  # s is up to 2, and on lines gap s < 1
            checks.refuse("gap", f'a number below 0.5 for smoothness="{smoothness}"', gap)
        checks.one_of("projection", projection, Projection.POWERS)
        self.widths = widths
        self.settings = Settings.of(widths, projection, self.group.reflects)
        self.node_weight = checks.function("node_weight", node_weight, optional=True)
        self.detach = checks.flag("detach", detach)
        self.register_buffer("signs", self.group.signs(), persistent=False)
        self.max_frames = checks.integer("max_frames", max_frames, optional=True)
        share = len(self.signs) if widths.order and self.group.rotates else 1
        if self.max_frames is not None and self.max_frames % share:
            wanted = f'a multiple of {share}, the number of signs of smoothness="{smoothness}"'
            checks.refuse("max_frames", wanted, max_frames)

    @computed
    def untraced(self) -> str | None:
        return RAGGED if self.max_frames is None else None

    def build(self, cloud: Cloud) -> Frames:
        if self.node_weight is not None and cloud.weight is not None:
            weight = _mapped_weight(self.node_weight, cloud.weight)
            cloud = replace(cloud, weight=weight, types=False)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.detach):
            if not self.group.rotates:
                return identity_frames(cloud, cloud.origin(self.group), self.group.dim)
            frames = self._principal(cloud)
        return frames.detach() if self.detach else frames  # forward-mode derivatives ignore the grad mode

    def _principal(self, cloud: Cloud) -> Frames:
        """The frames of a group that rotates."""
        principal = Principal.of(cloud, *cloud.columns(self.group), self.settings)
        signs = self.signs.to(principal.axes)
        if self.max_frames is not None:
            frames, overflow = frames_of_fixed_number(principal, signs, self.max_frames)
            if _is_readable(overflow) and bool(overflow.any()):
                self._refuse(int(overflow.int().argmax()), self._ragged(principal, signs).counts)
            return frames
        return self._ragged(principal, signs)

    def _ragged(self, principal: Principal, signs: Tensor) -> Frames:
        """As many frames of each body as have a positive weight."""
        if principal.odd is None:
            return frames_in_all_signs(principal, signs)
        return frames_in_chosen_signs(principal, principal.odd, signs)

    def _refuse(self, body: int, counts: Tensor) -> NoReturn:
        wanted, count = f"at most {self.max_frames} frames of each body", int(counts[body])
        raise ValueError(
            f"max_frames: expected {wanted}, found {count} of body {body}: allow more, or leave it out"
        )

    def extra_repr(self) -> str:
        tail = ", detach=True" if self.detach else ""
        tail += "" if self.max_frames is None else f", max_frames={self.max_frames}"
        settings = f"smoothness={self.smoothness!r}, tau={self.widths.tau}, gap={self.widths.gap}"
        return f"{super().extra_repr()}, {settings}{tail}"


def _mapped_weight(change: Callable[[Tensor], Any], given: Tensor) -> Tensor:
    """The node weights of the call, mapped by ``node_weight``."""
    weight = change(given)
    if not isinstance(weight, Tensor) or weight.shape != given.shape:
        found = list(weight.shape) if isinstance(weight, Tensor) else repr(weight)
        raise ValueError(f"node_weight: expected a function to {list(given.shape)}, found {found}")
    return weight


def _is_readable(x: Tensor) -> bool:
    """Whether a tensor can be read here: not in compiled code, nor while a CUDA graph is captured."""
    if torch.compiler.is_compiling() or in_functional_transform():
        return False
    return not (x.is_cuda and torch.cuda.is_current_stream_capturing())
