"""Base of frames that scale or boost: one element for each graph, wrapped around a frame of motions."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import ClassVar, Literal

import torch
from torch import Tensor

from fa_pyg import checks
from fa_pyg.builders.base import Frame, MotionFrame, as_motions
from fa_pyg.builders.cloud import Cloud, Quantity
from fa_pyg.frames import NO_RANK
from fa_pyg.frames.motion import MotionFrames
from fa_pyg.frames.similarity import align, moved_back, positive
from fa_pyg.groups import Group

__all__ = ["SimilarityFrame", "of_motions"]


class SimilarityFrame(MotionFrame):
    r"""One element h of scale or velocity for each graph, and the frames K of motions of the input in it.

    .. math:: F(x) = h(x)\, K(h(x)^{-1} x), \qquad
              \langle\Phi\rangle_F(x) = \rho_{out}(h)\, \langle\Phi\rangle_K(\rho_{in}(h)^{-1} x)

    The average in K first, and then in h: the model runs as often as in K.

    Args:
        frame: K, e.g. ``PCAFrame("E(3)")``; another of these frames; one that wraps or combines them.
        group: the group of this frame.

    Raises:
        ValueError: for a frame of permutations; in a call, if no declared input has a weight under scaling
            or boosts.
    """

    is_euclidean = False
    weight: ClassVar[Literal["scale", "boost"]]  # of the representations that h changes
    draws: ClassVar[bool] = False  # whether h is drawn at random

    def __init__(self, frame: Frame, group: Group) -> None:
        super().__init__(group)
        self.frame = frame

    @abstractmethod
    def element(self, cloud: Cloud) -> Tensor:
        """Return the scale ``[B]`` or the velocity ``[B, d]`` of each graph."""

    def build(self, cloud: Cloud) -> MotionFrames:
        if not any(getattr(quantity.rep, self.weight) for quantity in cloud.declared):
            wanted = f"a representation with the weight {self.weight}, such as Rep(1, {self.weight}=1)"
            raise ValueError(f"inputs of a {type(self).__name__}: expected {wanted}, found none")
        element = self.element(cloud)
        scale, velocity = (element, None) if self.weight == "scale" else (None, element)
        inside = {id(q): _inside(q, cloud, scale, velocity) for q in (*cloud.declared, *cloud.read)}
        declared, read = (tuple(inside[id(q)] for q in some) for some in (cloud.declared, cloud.read))
        built = self.frame.build(replace(cloud, declared=declared, read=read))
        inner = as_motions(self.frame.check(built, cloud.size))
        if self.draws:
            inner = inner.with_exact(torch.full((cloud.size,), NO_RANK, device=cloud.device))
        return _composed(inner, cloud, scale, velocity)

    def extra_repr(self) -> str:
        return ""


def of_motions(frame: Frame) -> Frame:
    """Return a frame if it is one of motions; else raise ValueError."""
    checks.instance("frame", frame, Frame, 'a frame of motions such as PCAFrame("E(3)")')
    if frame.group.permutes:
        raise ValueError(f'frame: expected a frame of motions such as PCAFrame("E(3)"), found {frame}')
    return frame


def _inside(quantity: Quantity, cloud: Cloud, scale: Tensor | None, velocity: Tensor | None) -> Quantity:
    """The quantity in the element h, in the type that frames are computed in."""
    wide = quantity.value.to(cloud.dtype)
    return replace(quantity, value=moved_back(wide, quantity.rep, quantity.index, scale, velocity))


def _composed(
    inner: MotionFrames, cloud: Cloud, scale: Tensor | None, velocity: Tensor | None
) -> MotionFrames:
    r"""The elements h k as (R, t, :math:`\lambda`, u), for inner elements k that may also scale and boost.

    .. math:: \lambda^s (\lambda'^s R x + t' + \text{boost} \cdot u') + \text{boost} \cdot u
    """
    values = dict(vars(inner))
    if scale is not None:
        length = positive(scale).pow(_scale_of(cloud, "affine"))
        for name, power in (("origin", 1), ("moments", 2)):  # in the units outside
            if values.get(name) is not None:
                values[name] = align(length.pow(power), values[name]) * values[name]
        if inner.velocity is not None:
            values["velocity"] = positive(scale).pow(_scale_of(cloud, "boost")).unsqueeze(1) * inner.velocity
        values["scale"] = scale if inner.scale is None else scale * inner.scale
    if velocity is not None:
        values["velocity"] = velocity if inner.velocity is None else velocity + inner.velocity
    return inner.made(**values)


def _scale_of(cloud: Cloud, weight: str) -> float:
    """The common weight under scaling of all points (affine), or of all that boosts change."""
    return next((q.rep.scale for q in cloud.declared if getattr(q.rep, weight)), 0)
