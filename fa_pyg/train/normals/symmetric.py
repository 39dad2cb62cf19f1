"""Equivariance of trained models on symmetric parts, where axes of inertia are not unique."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from fa_pyg.datasets.clouds import SYMMETRIC, symmetric_part
from fa_pyg.train.fit import FitModule
from fa_pyg.train.normals.evaluate import equivariance
from fa_pyg.train.tasks.clouds import Clouds

__all__ = ["symmetric_errors"]

COPIES = 8  # random rotations of each part


def symmetric_errors(
    module: FitModule, num_points: int, names: Sequence[str] = tuple(SYMMETRIC)
) -> dict[str, float]:
    """Return the root mean square angle in degrees between f(gx) and g f(x), by the name of the part.

    Args:
        module: estimates normals.
        num_points: of each part, at least.
        names: of the parts.
    """
    return {name: equivariance(module, _copies(name, num_points), "normals")[0] for name in names}


def _copies(name: str, num_points: int) -> Clouds:
    """Return a part several times, for as many random rotations."""
    part = symmetric_part(name, num_points)
    values = (part[key].expand(COPIES, *part[key].shape) for key in ("pos", "normal", "surface"))
    pos, normal, surface = values
    return Clouds(pos, normal, surface, torch.zeros(COPIES, dtype=torch.long))
