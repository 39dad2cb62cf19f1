"""Coset frames: a frame right-multiplied by a finite group, for less steep outputs at more model runs."""

from __future__ import annotations

import torch
from torch import Tensor

from fa_pyg import checks
from fa_pyg.builders.base import Frame, MotionFrame, as_motions, check_euclidean
from fa_pyg.builders.cloud import Cloud
from fa_pyg.frames import Frames, SignedFrames
from fa_pyg.frames.motion import MotionFrames
from fa_pyg.groups import FiniteGroup, Group, GroupLike
from fa_pyg.typed import in_functional_transform, unpack_dual

__all__ = ["CosetFrame"]

_SAME = 1e-12  # frames whose entries differ by less are the same
_MATRICES = 1 << 21  # matrices that are compared at most: more frames are not merged


class CosetFrame(MotionFrame):
    r"""A frame F right-multiplied by a finite group H: every frame g becomes the coset gH.

    .. math:: (FH)(x) = \{g h : g \in F(x),\ h \in H\}, \quad w_{gh} = w_g / |H|, \qquad
              \langle\Phi\rangle_{FH} = \langle\Phi_H\rangle_F, \quad
              \Phi_H(x) = \frac{1}{|H|} \sum_{h \in H} \rho_{out}(h)\, \Phi(\rho_{in}(h)^{-1} x)

    FH is a frame, since F(gx) H = g F(x) H, as exact and as continuous as F: to average in FH is to average
    the group average over H in F. The choices of F, of signs or of the order of axes, matter less the larger
    H is. With all signs, ``"D2(3)"`` or ``"D2h"``, outputs do not depend on the choice of signs; with ``"O"``
    or ``"Oh"`` not on the order of axes either, and only the components of an output of degree 4 and more
    depend on the frame.

    Frames that differ by an element of H are run once, with the sum of their weights: those of
    :class:`~fa_pyg.PCAFrame` if H has all their signs, and those of other frames if their rotations are not
    differentiated (frames that coincide at an input differ next to it, which derivatives depend on).

    Args:
        frame: a frame of motions, e.g. ``PCAFrame("SE(3)")``, ``LearnedFrame("SE(3)")``. A coset frame can be
            the frame of a :class:`~fa_pyg.LocalFrame`.
        subgroup: H: the name of a finite group of the same dimension, without reflections unless the group of
            the frame has them.

    Raises:
        ValueError: for a frame of permutations, or of translations alone, or another group.

    Not guaranteed: more than the frame guarantees. For :class:`~fa_pyg.WeightedPCAFrame`, ``smoothness=``
    costs fewer runs.
    """

    elements: Tensor  # of H

    def __init__(self, frame: Frame, subgroup: GroupLike) -> None:
        checks.instance("frame", frame, Frame, 'a frame such as PCAFrame("E(3)")')
        if not frame.group.rotates:
            raise ValueError(f"frame: expected a frame of rotations, found {frame}")
        check_euclidean("frame", frame)
        super().__init__(frame.group)
        try:
            found = Group.of(subgroup)
        except ValueError as error:
            raise ValueError(str(error).replace("group:", "subgroup:", 1)) from None
        allowed = found.dim == frame.group.dim and found.is_euclidean and not found.translates
        allowed = allowed and (frame.group.reflects or not found.reflects)
        if not isinstance(found, FiniteGroup) or not allowed:
            kind = "rotations and reflections" if frame.group.reflects else "rotations"
            wanted = f'a finite group of {kind} in {frame.group.dim} dimensions such as "D2" or "O"'
            raise ValueError(f"subgroup: expected {wanted}, found {found}")
        self.frame, self.subgroup = frame, found
        self.register_buffer("elements", found.elements(), persistent=False)
        has_signs = not isinstance(frame.group, FiniteGroup)
        self.has_signs = has_signs and self._has(torch.diag_embed(frame.group.signs()))

    def build(self, cloud: Cloud) -> MotionFrames:
        frames = as_motions(self.frame.build(cloud))
        if isinstance(frames, SignedFrames) and self.has_signs:
            return self._uniform(frames.axes.unsqueeze(0), frames)
        if frames.slots == 1:
            return self._uniform(frames.rotation.unsqueeze(0), frames)
        rotation, body, weight = self._merged(frames)
        elements, k = self.elements.to(rotation), len(self.elements)
        rotation = (rotation @ elements.unsqueeze(1)).flatten(0, 1)
        parts = rotation, body.repeat(k), weight.repeat(k) / k
        return Frames.ragged(*parts, cloud.size, frames.origin, frames.batch, frames.exact)

    def _has(self, matrices: Tensor) -> bool:
        """Whether these are elements of H."""
        return bool((self.subgroup.distance(matrices.to(self.elements)) < _SAME).all())

    def _uniform(self, rotation: Tensor, frames: MotionFrames) -> Frames:
        """The cosets of frames of which each body has one."""
        rotation = rotation @ self.elements.to(rotation).unsqueeze(1)
        return Frames.uniform(rotation, frames.origin, frames.batch, frames.exact)

    def _merged(self, frames: MotionFrames) -> tuple[Tensor, Tensor, Tensor]:
        """Rotation, body and weight of one representative per coset."""
        rotation, body, weight = frames.rotation, frames.body, frames.weight
        counts = frames.counts.index_select(0, body)
        if _is_differentiated(rotation) or counts.sum() * self.subgroup.order > _MATRICES:
            return rotation, body, weight
        order, start = frames.by_body
        one = torch.arange(len(body), device=body.device).repeat_interleave(counts)
        before = (counts.cumsum(0) - counts).repeat_interleave(counts)
        place = torch.arange(len(one), device=body.device) - before
        other = order.index_select(0, start.index_select(0, body.index_select(0, one)) + place)
        between = rotation.index_select(0, one).mT @ rotation.index_select(0, other)
        same = self.subgroup.distance(between) < _SAME
        first = torch.arange(len(body), device=body.device)
        first = first.scatter_reduce(0, one[same], other[same], "amin")
        while not torch.equal(first, again := first.index_select(0, first)):  # rounding can make chains
            first = again
        kept = (first == torch.arange(len(body), device=body.device)).nonzero().squeeze(1)
        total = torch.zeros_like(weight).index_add(0, first, weight)
        return rotation.index_select(0, kept), body.index_select(0, kept), total.index_select(0, kept)

    def extra_repr(self) -> str:
        return f'"{self.subgroup}"'


def _is_differentiated(x: Tensor) -> bool:
    """Whether x is differentiated, in reverse or in forward mode."""
    reverse = torch.is_grad_enabled() and x.requires_grad
    traced = in_functional_transform()
    return reverse or traced or unpack_dual(x)[1] is not None
