"""Random group elements, applied in float64 by code independent of the code under test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fa_pyg import checks
from fa_pyg.groups import Group, GroupLike
from fa_pyg.reps import Rep, RepLike

__all__ = ["Motion", "random_motion"]


@dataclass(frozen=True, eq=False)
class Motion:
    r"""Motion :math:`x \mapsto \lambda^{scale} R x + t + boost \cdot u`, in float64; Euclidean by default.

    Args:
        rotation: R, orthogonal.
        translation: t, of points.
        scale: :math:`\lambda > 0`.
        boost: u, of what has a weight under boosts; None for 0.

    Shapes:
        rotation ``[d, d]``; translation, boost ``[d]``.
    """

    rotation: Tensor
    translation: Tensor
    scale: float = 1.0
    boost: Tensor | None = None

    def __call__(self, x: Tensor, rep: RepLike = "point") -> Tensor:
        r"""Compute :math:`\rho(g) x` in float64, rounded to the type of x."""
        rep, r = Rep.of(rep), self.rotation.to(x.device)
        y = x.reshape(rep.layout(tuple(x.shape), len(r))).to(torch.promote_types(x.dtype, r.dtype))
        for axis in range(y.dim() - rep.rank, y.dim()):
            dims: Any = ([axis], [1])  # the stubs of torch know a number only
            y = torch.tensordot(y, r.to(y.dtype), dims=dims).movedim(-1, axis)
        if rep.pseudo:
            y = y * torch.linalg.det(r).round()
        y = y * self.scale**rep.scale
        if rep.affine:
            y = y + self.translation.to(x.device)
        if rep.boost and self.boost is not None:
            y = y + rep.boost * self.boost.to(x.device)
        return y.to(x.dtype).reshape(x.shape)

    def __matmul__(self, other: Motion) -> Motion:
        """Compose with ``other``, which is applied first; points and velocities scale with the weight 1."""
        linear = self.scale * self.rotation
        shift = linear @ other.translation + self.translation
        boost = self.boost
        if other.boost is not None:
            boost = linear @ other.boost + (0 if boost is None else boost)
        return Motion(self.rotation @ other.rotation, shift, self.scale * other.scale, boost)


def random_motion(
    group: GroupLike,
    generator: torch.Generator | None = None,
    *,
    proper: bool | None = None,
    scale: float = 3.0,
) -> Motion:
    """Draw a random element of a group in float64: Haar rotation, normal translation of the given scale.

    In groups that scale or boost, the logarithm of the scale is standard normal, and the boost as the
    translation.

    Args:
        group: e.g. ``"E(3)"``, or a finite group, ``"Oh"``; with scaling, ``"Sim(3)"``; with boosts,
            ``"Gal(3)"``.
        generator: random number generator; default torch's global one.
        proper: True for a rotation, False for a reflection, None for either.
        scale: standard deviation of the translation, in the units of the points, and of the boost.

    Raises:
        ValueError: for ``proper=False`` in a group without reflections.
    """
    group = Group.of(group)
    checks.instance("generator", generator, torch.Generator, "a torch.Generator", optional=True)
    checks.flag("proper", proper, optional=True)
    checks.number("scale", scale, 0)
    if proper is False and not group.reflects:
        raise ValueError(f"group: expected one with reflections for proper=False, found {group}")
    rotation = group.haar(1, generator, dtype=torch.float64)[0]
    if proper is not None and (torch.linalg.det(rotation) > 0) != proper:
        rotation = rotation @ group.mirror
    translation = torch.randn(group.dim, generator=generator, dtype=torch.float64) * scale
    translation = translation if group.translates else torch.zeros_like(translation)
    # Drawn last: motions of other groups do not depend on it.
    factor = torch.randn((), generator=generator, dtype=torch.float64).exp().item() if group.scales else 1.0
    boost = scale * torch.randn(group.dim, generator=generator, dtype=torch.float64) if group.boosts else None
    return Motion(rotation, translation, factor, boost)
