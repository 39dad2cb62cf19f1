"""Continuity of outputs along lines of clouds that pass through degenerate ones."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from fa_pyg import checks
from fa_pyg.testing.catalogue import checked_kinds
from fa_pyg.testing.degenerate import LINES

__all__ = ["LINES", "Line", "RefinedSteps", "assert_continuous", "largest_step", "lines", "refined_steps"]

# f(z, pos, batch), the signature of framed models; z is None for lines without colors.
Function = Callable[["Tensor | None", Tensor, Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Line:
    """Line of clouds ``start + t * direction`` of N points, for t in [-1, 1].

    Shapes:
        start and direction ``[N, d]`` in float64; z ``[N]``, colors, or None.
    """

    name: str
    start: Tensor
    direction: Tensor
    z: Tensor | None = None

    def at(self, t: Tensor) -> Tensor:
        """Return the clouds ``[T, N, d]`` at ``t [T]``."""
        return self.start + t.view(-1, 1, 1) * self.direction

    def evaluate(self, f: Function, t: Tensor) -> Tensor:
        """Evaluate f ``[T, ...]`` in a single call on the batch of clouds at ``t [T]``."""
        n = len(self.start)
        batch = torch.arange(len(t)).repeat_interleave(n)
        z = None if self.z is None else self.z.repeat(len(t))
        return f(z, self.at(t).flatten(0, 1), batch).detach().reshape(len(t), -1)


def lines(
    n: int | None = None,
    dim: int = 3,
    kinds: Sequence[str] | None = None,
    gap: float = 0.02,
    width: float = 0.2,
    seed: int = 0,
) -> Iterator[Line]:
    r"""Yield lines of clouds through, and close to, degenerate ones.

    .. math:: x(t) = x_0 + o\,e + w\,t\,u, \qquad t \in [-1, 1],

    with a degenerate cloud :math:`x_0` of spread 1, random e and u, width w, and offsets o: 0, so that t = 0
    is degenerate, ``gap / 10`` and ``gap``, the scale on which a continuous frame blends. Equal eigenvalues
    have codimension 2: a random line does not meet them.

    Some have no colors, ``z=None``. Models that need atomic numbers may use equal ones:
    ``z = torch.ones(len(pos), dtype=torch.long) if z is None else z``.

    Args:
        n: number of lines; default one for each kind and offset.
        dim: 2 or 3.
        kinds: some of ``LINES[dim]``; default all.
        gap: largest offset, relative to the spread of the cloud.
        width: half the length of the lines, relative to the spread.
        seed: of the clouds and the displacements.

    Raises:
        ValueError: for arguments out of range, and unknown kinds.
    """
    checks.integer("n", n, 0, optional=True)
    if not checks.is_integer(dim, 2, 3):
        checks.refuse("dim", "2 or 3", dim)
    kinds = checked_kinds(kinds, LINES[dim])
    checks.number("gap", gap, 0)
    checks.number("width", width, 0)
    generator = torch.Generator().manual_seed(checks.integer("seed", seed, 0, checks.MOST))
    cases = list(itertools.product((0.0, gap / 10, gap), kinds))
    for offset, kind in itertools.islice(itertools.cycle(cases), len(cases) if n is None else n):
        start, z = LINES[dim][kind](generator)
        aside, direction = torch.randn(2, *start.shape, generator=generator, dtype=torch.float64)
        yield Line(f"{kind}, offset {offset:g}", start + offset * aside, width * direction, z)


def largest_step(f: Function, line: Line, steps: Sequence[int] = (32, 128, 512)) -> Tensor:
    r"""Measure the largest step of f along a line cut into steps, relative to its largest value.

    .. math:: \max_k \|f(x(t_{k+1})) - f(x(t_k))\| \,/\, \max_k \|f(x(t_k))\|

    For continuous f it shrinks with the steps (1 : 1/4 : 1/16); at a jump it does not.

    Args:
        f: function ``f(z, pos, batch)`` of all clouds of the line at once; returns the same number of rows
            for each cloud.
        line: line of clouds.
        steps: numbers of steps; even, to include t = 0.

    Shapes:
        ``[len(steps)]``.

    Raises:
        ValueError: for arguments of other types.
    """
    _check_line(f, line)
    checks.instance("steps", steps, Sequence, "a list of even numbers")
    found = []
    for n in [checks.integer("steps", n) for n in steps]:
        values = line.evaluate(f, torch.linspace(-1, 1, n + 1, dtype=torch.float64))
        found.append(values.diff(dim=0).norm(dim=1).max() / values.norm(dim=1).max())
    return torch.stack(found)


def assert_continuous(
    f: Function, line: Line, steps: int = 128, zooms: int = 4, shrink: float = 2.0, floor: float = 1e-8
) -> Tensor:
    """Assert that the largest steps of f shrink when the line is refined; steep functions pass, jumps do not.

    The line is cut into steps, then the eight largest of them into eight, and so on.

    Args:
        f, line: as in :func:`largest_step`.
        steps: number of steps at first, even.
        zooms: number of refinements.
        shrink: factor by which the last refinement must reduce the largest step; it is 8 for smooth f, 1 at a
            jump.
        floor: smaller steps are rounding errors.

    Returns:
        The largest steps ``[1 + zooms]``, relative to the largest value.

    Raises:
        AssertionError: with the name of the line and the largest steps, if they do not shrink.
        ValueError: for arguments out of range.

    Not guaranteed: to find a jump if there are eight larger steps elsewhere.
    """
    _check_line(f, line)
    checks.integer("steps", steps)
    checks.integer("zooms", zooms, 1, checks.DEEP)
    checks.number("shrink", shrink, above=0)
    checks.number("floor", floor, 0)
    refined = refined_steps(f, line, steps, zooms)
    found = refined.sizes / refined.scale
    if not (found[-1] <= floor or found[-1] * shrink <= found[-2]):
        listed = ", ".join(f"{step:.3g}" for step in found.tolist())
        raise AssertionError(f"{line.name}: not continuous, largest steps after refinements: {listed}")
    return found


class RefinedSteps(NamedTuple):
    """Largest steps of a function, before and after each refinement.

    Shapes:
        sizes ``[1 + zooms]``; scale, the largest norm of a value, a scalar; interval ``[2]``, the ends of the
        last of the largest steps.
    """

    sizes: Tensor
    scale: Tensor
    interval: Tensor


def refined_steps(
    f: Function, line: Line, steps: int = 128, zooms: int = 4, largest: int = 8
) -> RefinedSteps:
    """Measure the largest step of f along a line, which is refined where steps are large.

    Args:
        f, line, steps, zooms: as in :func:`assert_continuous`.
        largest: number of steps to refine, the largest ones.
    """
    t = torch.linspace(-1, 1, steps + 1, dtype=torch.float64).unsqueeze(0)  # intervals, to be refined
    found, scales = [], []
    for _ in range(1 + zooms):
        values = line.evaluate(f, t.flatten()).unflatten(0, t.shape)
        scales.append(values.norm(dim=-1).max())
        size = values.diff(dim=1).norm(dim=-1)
        found.append(size.max())
        start, end = t[:, :-1].flatten(), t[:, 1:].flatten()
        worst = size.argmax()
        interval = torch.stack([start[worst], end[worst]])
        chosen = size.flatten().topk(min(largest, size.numel())).indices.unique()
        start, end = start[chosen], end[chosen]
        t = start.unsqueeze(1) + (end - start).unsqueeze(1) * torch.linspace(0, 1, 9, dtype=t.dtype)
    return RefinedSteps(torch.stack(found), scales[0], interval)


def _check_line(f: Function, line: Line) -> None:
    checks.function("f", f)
    checks.instance("line", line, Line, "a Line")
