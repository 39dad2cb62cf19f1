"""Lines of clouds that pass through degenerate ones, and the largest step of an output along them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fa_pyg import checks
from fa_pyg.testing.degenerate import LINES

__all__ = ["LINES", "Line", "assert_continuous", "largest_step", "lines"]

# f(z, pos, batch), as framed models are called; z is None where the line has no colours.
Function = Callable[["Tensor | None", Tensor, Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Line:
    """The clouds ``start + t * direction`` for t in [-1, 1], N points each.

    Shapes:
        start and direction ``[N, d]`` in float64; z ``[N]``, colours, or None.
    """

    name: str
    start: Tensor
    direction: Tensor
    z: Tensor | None = None

    def at(self, t: Tensor) -> Tensor:
        """Returns the clouds ``[T, N, d]`` of ``t [T]``."""
        return self.start + t.view(-1, 1, 1) * self.direction

    def evaluate(self, f: Function, t: Tensor) -> Tensor:
        """Returns the values ``[T, ...]`` of f, called once on the batch of the clouds of ``t [T]``."""
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
    r"""Yields lines of clouds through, and closely past, degenerate ones.

    .. math:: x(t) = x_0 + o\,e + w\,t\,u, \qquad t \in [-1, 1],

    with a degenerate cloud :math:`x_0` of spread 1, random e and u, width w and offset o: in turn 0, so that
    t = 0 is degenerate, ``gap / 10`` and ``gap``, the scale on which a continuous frame blends. Equal
    eigenvalues have codimension 2: a line at random does not meet them.

    Some have no colours: their ``z`` is None. For a model that needs atomic numbers let all be alike, in
    the function that is tested: ``z = torch.ones(len(pos), dtype=torch.long) if z is None else z``.

    Args:
        n: how many; default each kind at each offset once.
        dim: 2 or 3.
        kinds: some of ``LINES[dim]``; default all.
        gap: relative to the cloud's spread.
        width: half the length of the lines, relative to it.
        seed: of the generic clouds and the displacements.
    """
    checks.integer("n", n, 0, optional=True)
    if not checks.is_integer(dim, 2, 3):
        checks.refuse("dim", "2 or 3", dim)
    checks.some_of("kinds", kinds, LINES[dim])
    checks.number("gap", gap, 0)
    checks.number("width", width, 0)
    generator = torch.Generator().manual_seed(checks.integer("seed", seed, 0, checks.MOST))
    cases = list(itertools.product((0.0, gap / 10, gap), kinds or LINES[dim]))
    for offset, kind in itertools.islice(itertools.cycle(cases), len(cases) if n is None else n):
        start, z = LINES[dim][kind](generator)
        aside, direction = torch.randn(2, *start.shape, generator=generator, dtype=torch.float64)
        yield Line(f"{kind}, offset {offset:g}", start + offset * aside, width * direction, z)


def largest_step(f: Function, line: Line, steps: Sequence[int] = (32, 128, 512)) -> Tensor:
    r"""Returns the largest step of f along a line cut into so many steps, relative to its largest value.

    .. math:: \max_k \|f(x(t_{k+1})) - f(x(t_k))\| \,/\, \max_k \|f(x(t_k))\|

    Where f is continuous it shrinks as the steps do (1 : 1/4 : 1/16); where f jumps it stays.

    Args:
        f: called as ``f(z, pos, batch)`` on all clouds of the line at once; returns a tensor with equally
            many rows for each.
        line: where.
        steps: even numbers, so that t = 0 is met.

    Shapes:
        ``[len(steps)]``.
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
    """Asserts that the largest steps of f shrink where one looks closer: steep is not discontinuous.

    The line is cut into steps, then the eight largest of them into eight each, and so on.

    Args:
        f, line: as in :func:`largest_step`.
        steps: of the first cut, an even number.
        zooms: how often to look closer.
        shrink: factor that the last zoom must gain; 8 where f is smooth, 1 where it jumps.
        floor: steps below are rounding.

    Returns:
        The largest steps ``[1 + zooms]``, relative to the largest value.

    Raises:
        AssertionError: with the line's name and its largest steps, if they do not shrink or are not finite.

    Not guaranteed: that a jump smaller than eight steep places is found.
    """
    _check_line(f, line)
    checks.integer("steps", steps)
    checks.integer("zooms", zooms, 1, checks.DEEP)
    checks.number("shrink", shrink, above=0)
    checks.number("floor", floor, 0)
    t = torch.linspace(-1, 1, steps + 1, dtype=torch.float64).unsqueeze(0)  # intervals, cut into pieces
    found, scale = [], None
    for _ in range(1 + zooms):
        values = line.evaluate(f, t.flatten()).unflatten(0, t.shape)
        scale = values.norm(dim=-1).max() if scale is None else scale
        size = values.diff(dim=1).norm(dim=-1) / scale
        found.append(size.max())
        largest = size.flatten().topk(min(8, size.numel())).indices
        start, end = t[:, :-1].flatten()[largest], t[:, 1:].flatten()[largest]
        t = start.unsqueeze(1) + (end - start).unsqueeze(1) * torch.linspace(0, 1, 9, dtype=t.dtype)
    found = torch.stack(found)
    if not (found[-1] <= floor or found[-1] * shrink <= found[-2]):
        listed = ", ".join(f"{step:.3g}" for step in found.tolist())
        raise AssertionError(f"{line.name}: not continuous, its largest steps, ever closer: {listed}")
    return found


def _check_line(f: Function, line: Line) -> None:
    checks.function("f", f)
    checks.instance("line", line, Line, "a Line")
