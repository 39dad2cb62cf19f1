"""Curvature of framed energies along lines, relative to the bare network: kinks and jumps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from fa_pyg import checks
from fa_pyg.calls import Name, Named
from fa_pyg.groups import GroupLike
from fa_pyg.reps import RepLike
from fa_pyg.testing.comparison import NODES, Comparison
from fa_pyg.testing.energies import Inputs

__all__ = ["Curvature", "curvature", "stretches"]

CUT = 4  # ratio of the coarse and the fine step of second differences
ZOOMS, ZOOM, CLOSER = 4, 8, 32  # number of refinements, their factor, and the steps of each
SMOOTH = 1.2  # largest growth for the bare network
SMALL = 0.01  # of the second differences of the bare network; smaller ones of a frame are ignored


@dataclass(frozen=True)
class Curvature:
    """Largest second difference of framed energies along lines, relative to that of the bare network.

    Attributes:
        coarse, fine: at a step h and at h / 4.
        growth: fine / coarse at the largest one, refined as far as rounding allows: 1 for continuous forces,
            4 at a kink of the energy, 16 at a jump.
    """

    coarse: float
    fine: float
    growth: float


def curvature(
    model: Callable,
    inputs: Inputs,
    directions: Tensor | int = 4,
    pos: Name = "pos",
    energy: Any = None,
    group: GroupLike = "auto",
    *,
    bare: Callable | None = None,
    input_reps: Named[RepLike] | None = None,
    span: float = 0.3,
    steps: int = 256,
    nodes: int = NODES,
    seed: int = 0,
) -> Curvature:
    r"""Measure second differences of framed energies along lines, relative to the bare network.

    .. math:: \max_t \Big| \frac{E(t + h) - 2 E(t) + E(t - h)}{h^2} \Big|, \qquad E(t) = E(x + t u),
              \qquad |t| \le \mathrm{span},

    relative to the bare network, at the steps h = 8 span / steps and h / 4. They grow if a frame changes over
    less than h, which makes forces steep; their growth under refinement shows whether forces are continuous.
    u may be a stretch of bonds (:func:`stretches`), a normal mode, or drawn at random.

    Args:
        model, inputs, pos, energy, group, bare, input_reps, nodes: as in :func:`~fa_pyg.testing.steepness`.
        directions: u ``[L, N, d]``, of L lines; or the number of random directions, scaled so that the atom
            that moves most moves by t.
        span: half the length of the lines, in units of the positions.
        steps: number of steps of h / 4 on a line.
        seed: of the orientation of each line, and of random directions.

    Raises:
        ValueError: as :func:`~fa_pyg.testing.steepness`, for directions of another shape, and for a bare
            network whose second differences grow at smaller steps, as rounding errors do in float32.

    Not guaranteed: that a line passes where frames change, and that kinks are refined if smooth changes are
    larger.
    """
    checks.number("span", span, above=0)
    checks.integer("steps", steps, 4 * CUT)
    checks.integer("nodes", nodes)
    generator = torch.Generator().manual_seed(checks.integer("seed", seed, 0, checks.MOST))
    both = Comparison(model, inputs, pos, energy, None, bare, input_reps, group)
    u = _directions(directions, both.pos, generator)
    orientations, middle = both.orientations(len(u), generator), torch.zeros(len(u), dtype=torch.float64)
    first = last = _scanned(both, u, orientations, middle, span, steps, nodes)
    small = SMALL * first.coarse[1]
    growth: float | None = None
    for _ in range(ZOOMS):
        span, line = span / ZOOM, slice(last.line, last.line + 1)
        u, orientations, middle = u[line], orientations[line], last.position.view(1)
        last = _scanned(both, u, orientations, middle, span, CLOSER, nodes)
        framed, smooth = (last.fine + small) / (last.coarse + small)
        if not smooth <= SMOOTH:
            break  # rounding errors
        growth = framed.item()
    if growth is None:
        raise ValueError(
            "bare: expected a smooth network, in float64, found second differences that grow from "
            f"{first.coarse[1]:.3g} to {last.fine[1]:.3g} at smaller steps"
        )
    coarse, fine = ((x[0] / x[1]).item() for x in (first.coarse, first.fine))
    return Curvature(coarse, fine, growth)


def stretches(pos: Tensor, bonds: Tensor) -> Tensor:
    """Make directions that stretch a single bond by 1, moving its two atoms only, for bond scans.

    Args:
        pos: positions ``[N, d]``.
        bonds: pairs of atoms ``[2, L]``.

    Shapes:
        ``[L, N, d]``.

    Raises:
        ValueError: for wrong shapes, and bonds that are not pairs of different nodes.
    """
    checks.instance("pos", pos, Tensor, "a tensor [N, d]")
    if pos.dim() != 2 or not pos.is_floating_point():
        raise ValueError(f"pos: expected floating point [N, d], found {pos.dtype} {list(pos.shape)}")
    is_pairs = isinstance(bonds, Tensor) and bonds.dtype == torch.long and bonds.shape[:-1] == (2,)
    if not is_pairs or (bonds.numel() and not 0 <= int(bonds.min()) <= int(bonds.max()) < len(pos)):
        checks.refuse("bonds", f"pairs [2, L] of nodes from 0 to {len(pos) - 1}", bonds)
    if (bonds[0] == bonds[1]).any():
        checks.refuse("bonds", "pairs of different nodes", bonds)
    (first, second), which = bonds, torch.arange(bonds.size(1))
    half = torch.nn.functional.normalize(pos[second] - pos[first], dim=1) / 2
    found = pos.new_zeros(len(which), *pos.shape)
    found[which, first], found[which, second] = -half, half
    return found


def _directions(given: Tensor | int, pos: Tensor, generator: torch.Generator) -> Tensor:
    """Check directions ``[L, N, d]``, or draw some."""
    if isinstance(given, Tensor):
        if given.shape[1:] != pos.shape or not len(given):
            found = list(given.shape)
            raise ValueError(f"directions: expected [L, {len(pos)}, {pos.size(1)}], L >= 1, found {found}")
        if given.is_complex():
            raise ValueError(f"directions: expected real numbers, found {given.dtype}")
        return given.double()
    drawn = torch.randn(
        checks.integer("directions", given), *pos.shape, generator=generator, dtype=torch.float64
    )
    return drawn / drawn.norm(dim=2).amax(1).view(-1, 1, 1)


class _Scan(NamedTuple):
    """Largest second differences, framed and bare ``[2]``, and line and position of the framed one."""

    coarse: Tensor
    fine: Tensor
    line: int
    position: Tensor


def _scanned(
    both: Comparison, u: Tensor, orientations: Tensor, middle: Tensor, span: float, steps: int, nodes: int
) -> _Scan:
    t = middle.unsqueeze(1) + torch.linspace(-span, span, steps + 1, dtype=torch.float64)  # [L, T]
    shift = t.view(*t.shape, 1, 1) * u.unsqueeze(1)
    copies, h = both.copies(shift.flatten(0, 1), orientations, nodes), 2 * span / steps
    values = torch.stack([both.framed(copies.energies)[0], both.bare(copies.energies)])
    values = values.unflatten(1, t.shape).cpu()  # [2, L, T, B]
    seconds = [_second_difference(values, step) / (step * h) ** 2 for step in (CUT, 1)]
    seconds[1] = seconds[1][:, :, CUT - 1 : 1 - CUT]  # at the same positions, without the ends
    found = seconds[1][0].amax(2)  # [L, T - 2 CUT]
    line, column = divmod(int(found.argmax()), found.size(1))
    coarse, fine = (second.flatten(1).amax(1) for second in seconds)
    return _Scan(coarse, fine, line, t[line, column + CUT])


def _second_difference(values: Tensor, step: int) -> Tensor:
    """Second differences of ``values [2, L, T, B]`` along the lines, ``[2, L, T - 2 step, B]``."""
    inner = values[:, :, step:-step]
    return (values[:, :, 2 * step :] - 2 * inner + values[:, :, : -2 * step]).abs()
