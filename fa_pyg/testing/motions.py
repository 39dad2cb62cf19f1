"""Random group elements, applied in float64 by code independent of the code under test."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fa_pyg import checks
from fa_pyg.groups import Group, GroupLike
from fa_pyg.reps import Rep, RepLike

__all__ = ["Motion", "random_motion"]


@dataclass(frozen=True, eq=False)
class Motion:
    r"""Euclidean motion :math:`x \mapsto R x + t`, in float64.

    Shapes:
        rotation ``[d, d]``, orthogonal; translation ``[d]``.
    """

    rotation: Tensor
    translation: Tensor

    def __call__(self, x: Tensor, rep: RepLike = "point") -> Tensor:
        r"""Compute :math:`\rho(g) x` in float64, rounded to the type of x."""
        rep, r = Rep.of(rep), self.rotation.to(x.device)
        y = x.reshape(rep.layout(tuple(x.shape), len(r))).to(torch.promote_types(x.dtype, r.dtype))
        for axis in range(y.dim() - rep.rank, y.dim()):
            y = torch.tensordot(y, r.to(y.dtype), dims=([axis], [1])).movedim(-1, axis)
        if rep.pseudo:
            y = y * torch.linalg.det(r).round()
        if rep.affine:
            y = y + self.translation.to(x.device)
        return y.to(x.dtype).reshape(x.shape)

    def __matmul__(self, other: Motion) -> Motion:
        """Compose with ``other``, which is applied first."""
        return Motion(self.rotation @ other.rotation, self.rotation @ other.translation + self.translation)


def random_motion(
    group: GroupLike,
    generator: torch.Generator | None = None,
    *,
    proper: bool | None = None,
    scale: float = 3.0,
) -> Motion:
    """Draw a random element of a group in float64: Haar rotation, normal translation of the given scale.

    Args:
        group: e.g. ``"E(3)"``, or a finite group, ``"Oh"``.
        generator: random number generator; default torch's global one.
        proper: True for a rotation, False for a reflection, None for either.
        scale: standard deviation of the translation, in the units of the points.

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
    return Motion(rotation, translation if group.translates else torch.zeros_like(translation))
