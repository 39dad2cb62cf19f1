"""PCA frames: principal axes of each graph, with all signs of the group."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor

from fa_pyg import checks
from fa_pyg.builders.base import MotionFrame
from fa_pyg.builders.cloud import Cloud, Columns
from fa_pyg.frames import ALL_RANKS, Frames
from fa_pyg.frames.motion import MotionFrames
from fa_pyg.groups import GroupLike
from fa_pyg.math.columns import moments, total_weight
from fa_pyg.math.eigh import safe_axes
from fa_pyg.math.linalg import det
from fa_pyg.typed import computed, integers, total

__all__ = ["PCAFrame", "identity_frames", "make_proper"]


class PCAFrame(MotionFrame):
    r"""PCA frame of "Frame Averaging for Invariant and Equivariant Network Design" (Puny et al. 2022).

    The eigenvectors :math:`v_1, \dots, v_d` (by ascending variance) of the covariance of each graph,

    .. math:: C = \frac{\sum_i w_i (x_i - \bar x)(x_i - \bar x)^\top}{\sum_i w_i}, \qquad
              F(x) = \{([\pm v_1, \dots, \pm v_d],\ \bar x)\}

    with all 2^d signs for O(d) and E(d), the 2^(d-1) of determinant +1 for SO(d) and SE(d), and the centroid
    alone for T(d). Groups without translations do not center. Further vectors (velocities) add their mean
    :math:`v v^\top` to C: bring them to comparable units.

    Args:
        group: ``"O(d)"``, ``"SO(d)"``, ``"E(d)"``, ``"SE(d)"`` or ``"T(d)"``, d <= 16.
        detach: treat the frames as constants. Faster, but forces computed through them are *wrong*.
        on_degenerate: ``"ignore"``, ``"warn"`` or ``"raise"`` where eigenvalues other than 0 coincide to four
            digits. The last two synchronize with the device.

    Raises:
        ValueError: for another ``on_degenerate``, or, if it is ``"raise"``, for such graphs, naming them.

    Not guaranteed: equivariance where eigenvalues coincide (symmetric molecules): there the axes are
    arbitrary, and the average jumps near such inputs. Clouds on a line (d >= 3) and points are exact for
    scalars and vectors that depend only on quantities that are read, not for tensors:
    :meth:`~fa_pyg.Frames.exact_for` reports this. :class:`~fa_pyg.WeightedPCAFrame` is exact on all inputs.
    """

    signs: Tensor

    def __init__(self, group: GroupLike, detach: bool = False, on_degenerate: str = "ignore") -> None:
        super().__init__(group)
        self.detach = checks.flag("detach", detach)
        self.on_degenerate = checks.one_of("on_degenerate", on_degenerate, ("ignore", "warn", "raise"))
        # A buffer, so that calls on an accelerator do not copy it.
        self.register_buffer("signs", self.group.signs(), persistent=False)

    @computed
    def untraced(self) -> str | None:
        return (
            None if self.on_degenerate == "ignore" else f"on_degenerate={self.on_degenerate!r} reads values"
        )

    def build(self, cloud: Cloud) -> MotionFrames:
        if not self.detach:
            return self._frames(cloud)
        with torch.no_grad():
            frames = self._frames(cloud)
        return frames.detach()  # forward-mode derivatives ignore the grad mode

    def _frames(self, cloud: Cloud) -> MotionFrames:
        if not self.group.rotates:
            return identity_frames(cloud, cloud.origin(self.group), self.group.dim)
        origin, parts = cloud.columns(self.group)
        matrix = _moments(parts, cloud.size)
        axes = safe_axes(matrix)
        axes = axes if self.group.reflects else make_proper(axes)
        reads_all = self._reads_all(cloud, origin)
        frames = Frames.signed(axes, self.signs.to(axes.device), origin, cloud.batch, matrix, reads_all)
        if self.on_degenerate != "ignore":
            self._report(frames)
        return frames

    def _reads_all(self, cloud: Cloud, origin: Tensor | None) -> bool | Tensor:
        """Whether the axes depend on all declared inputs, of all nodes; ``[B]`` where bodies differ."""
        seen = {*map(id, cloud.declared)} <= {*map(id, cloud.read)}
        if not seen:
            return False
        unseen = cloud.unseen(origin)
        return True if unseen is None else ~unseen

    def _report(self, frames: MotionFrames) -> None:
        wrong = integers((~frames.exact_for("scalar")).nonzero().squeeze(1))
        if not wrong:
            return
        some = ", ".join(map(str, wrong[:8])) + (", ..." if len(wrong) > 8 else "")
        text = (
            f"{self}: expected distinct eigenvalues, found equal ones in {len(wrong)} of "
            f"{frames.num_bodies} graphs ({some}), whose averages are not equivariant: use WeightedPCAFrame"
        )
        if self.on_degenerate == "raise":
            raise ValueError(text)
        warnings.warn(text, stacklevel=2)

    def extra_repr(self) -> str:
        return super().extra_repr() + (", detach=True" if self.detach else "")


def _moments(parts: list[Columns], size: int) -> Tensor:
    """Second moments ``[B, d, d]``: of one quantity their sum, whose axes are those of the mean."""
    if len(parts) == 1:
        x, index, weight = parts[0]
        return moments(x, index, size, weight)
    return total(
        moments(x, index, size, weight) / _per_matrix(total_weight(x, index, size, weight))
        for x, index, weight in parts
    )


def _per_matrix(amount: Tensor | int) -> Tensor | int:
    return amount.view(-1, 1, 1) if isinstance(amount, Tensor) else amount


def identity_frames(cloud: Cloud, origin: Tensor | None, dim: int) -> Frames:
    """The single frame of a group of translations: identity rotations."""
    eye = torch.eye(dim, dtype=cloud.dtype, device=cloud.device)
    return Frames.uniform(eye.expand(1, cloud.size, -1, -1), origin, cloud.batch, exact=ALL_RANKS)


def make_proper(axes: Tensor) -> Tensor:
    """Return axes ``[B, d, d]`` of determinant +1: the last one is flipped if necessary."""
    sign = det(axes.detach()).sign()[:, None, None]
    return torch.cat([axes[..., :-1], axes[..., -1:] * sign], dim=-1)
