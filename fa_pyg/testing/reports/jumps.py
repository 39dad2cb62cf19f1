"""Search for jumps of a function along a line, also for those that are small beside its ordinary steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Sharpest", "jump", "sharpest_steps"]

PARTS = 8  # of a step, in a refinement
WEIGHTS = (-1.0, 5.0, -10.0, 10.0, -5.0, 1.0)  # of the fifth difference, 6 at a jump of 1 in the middle
JUMP = 6.0
BESIDE = 2  # points on both sides of a step that its sharpness takes
DISTANCE = 3  # steps to those that a jump does not show in


class Sharpest(NamedTuple):
    """Sharpest steps of a function, which are refined each by itself.

    Shapes:
        before, after ``[C]``, sharpness of each before and after the last refinement; points ``[C, 6]``, the
        two ends of the last step in the middle of two points on both sides.
    """

    before: Tensor
    after: Tensor
    points: Tensor

    def worst(self, floor: float, shrink: float) -> int | None:
        """Number of the sharpest step that does not shrink, or is not finite; None without one."""
        jumps = (self.after > floor) & (self.after * shrink > self.before) | self.after.isinf()
        return int(self.after.masked_fill(~jumps, -1).argmax()) if jumps.any() else None


def sharpest_steps(f: Callable[[Tensor], Tensor], steps: int, zooms: int, count: int) -> Sharpest:
    r"""Find the steps of f on [-1, 1] that differ most from their neighbors, and refine each of them.

    .. math:: s_k = \tfrac16 \, \| f_{k+3} - 5 f_{k+2} + 10 f_{k+1} - 10 f_k + 5 f_{k-1} - f_{k-2} \|

    is the sharpness of the step from k to k + 1: the size of a jump in it, however large the slope of f is.
    A refinement into eighths divides it by 8^5 for smooth f, by 8 at a kink, by 1 at a jump.

    Args:
        f: returns a row for each ``t [T]``.
        steps: number of steps, even, to include t = 0.
        zooms: number of refinements.
        count: number of steps to refine: half of them the sharpest, half of them the sharpest in relation to
            those three steps away, as a small jump far from a steep slope.
    """
    t = torch.arange(-steps // 2 - BESIDE, steps // 2 + BESIDE + 1, dtype=torch.float64) / (steps // 2)
    t = t.unsqueeze(0)
    sharpness = _sharpness(f, t)[0]
    half = min(count // 2, steps)
    chosen = torch.cat([sharpness.topk(half).indices, _relative(sharpness).topk(half).indices]).unique()
    t, after = t.expand(len(chosen), -1), sharpness[chosen]
    before, points = after, _around(t, chosen)
    for _ in range(zooms):
        parts = torch.arange(-BESIDE, PARTS + BESIDE + 1, dtype=t.dtype) / PARTS
        start, end = points[:, BESIDE : BESIDE + 1], points[:, BESIDE + 1 : BESIDE + 2]
        t = start + (end - start) * parts
        sharpness = _sharpness(f, t)
        before, (after, at) = after, sharpness.max(1)
        points = _around(t, at)
    return Sharpest(before, after, points)


def _sharpness(f: Callable[[Tensor], Tensor], t: Tensor) -> Tensor:
    """Sharpness ``[C, T - 5]`` of the inner steps of windows ``t [C, T]``; infinite beside NaN."""
    values = f(t.flatten()).unflatten(0, t.shape)
    found = values.diff(n=len(WEIGHTS) - 1, dim=1).norm(dim=-1) / JUMP
    finite = values.isfinite().all(-1)
    ends = (finite[:, :-1] & finite[:, 1:])[:, BESIDE:-BESIDE]
    return found.nan_to_num(0, posinf=0).masked_fill(~ends, torch.inf)


def jump(values: Sequence[Tensor]) -> Tensor:
    """Jump of six values at :attr:`Sharpest.points`, in the middle."""
    return sum((w * value for w, value in zip(WEIGHTS, values, strict=True)), torch.zeros(())) / JUMP


def _relative(sharpness: Tensor) -> Tensor:
    """Sharpness relative to that of the steps on both sides, which a jump between does not show in."""
    padded = torch.nn.functional.pad(sharpness, (DISTANCE, DISTANCE), value=0.0)
    beside = torch.maximum(padded[: -2 * DISTANCE], padded[2 * DISTANCE :])
    return sharpness / (beside + 1e-9 * sharpness.max())


def _around(t: Tensor, at: Tensor) -> Tensor:
    """Ends of an inner step of each window, and the points beside: ``[C, 6]``."""
    return t.gather(1, at.unsqueeze(1) + torch.arange(len(WEIGHTS)))
