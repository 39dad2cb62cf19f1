"""Conservative forces: the gradient of an energy, without net force and torque."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from fa_pyg import checks
from fa_pyg.batches import graph_count
from fa_pyg.calls import Name
from fa_pyg.groups import FiniteGroup, Group, GroupLike
from fa_pyg.math.linalg import scatter_sum
from fa_pyg.nn.averaging import FrameAveraging
from fa_pyg.testing.energies import Inputs, System

__all__ = ["assert_conservative", "conservation_error", "slopes"]

SLOPE = 16  # the largest slope of rounding by differences of fourth order, in roundings over a step, is 12


def assert_conservative(
    model: nn.Module,
    inputs: Inputs,
    pos: Name = "pos",
    energy: Any = None,
    forces: Any = None,
    group: GroupLike | None = "auto",
    tol: float = 1e-6,
    rounding: float = 1e-9,
    step: float = 1e-4,
    trials: int = 4,
    seed: int = 0,
) -> dict[str, float]:
    r"""Assert that forces are the gradient of the energy, and obey the conservation laws of its symmetry.

    .. math:: F_i = -\frac{\partial E}{\partial x_i}, \qquad \sum_i F_i = 0, \qquad \sum_i x_i \wedge F_i = 0

    Directional derivatives are central differences of fourth order at three step sizes, of which the best
    counts: wrong forces differ from all, while framed energies may vary on a small scale where frames blend.
    The net force of a graph vanishes if E is invariant to translations, the net torque if it is invariant to
    all rotations, not only those of a finite group.

    Args:
        model: predicts an energy per graph; in evaluation mode, and in float64 for the default bounds.
        inputs: arguments of the model, as in :func:`~fa_pyg.testing.assert_equivariant`.
        pos: name of the positions ``[N, d]``, or index in a sequence.
        energy: key of the energy, if the model returns a dict or a tuple.
        forces: key of the forces, if the model returns them; default ``-torch.autograd.grad``.
        group: symmetry of E; "auto" for that of the frame of a :class:`~fa_pyg.FrameAveraging`, E(d) for
            other models; None to check derivatives only.
        tol: bound on the error of the forces relative to the largest directional derivative; derivatives that
            can be the rounding of the energies, in float64 over a step, count as 0.
        rounding: bound on net force and torque relative to the sum of the norms of their terms.
        step: largest step size, in units of the positions; the others are a tenth and a hundredth of it.
        trials: number of random directions.
        seed: of the directions.

    Returns:
        The errors, ``forces``, and ``net force`` and ``net torque`` if the group conserves them.

    Raises:
        AssertionError: with all errors, if an error is above its bound or not finite.
        ValueError: for an energy without a gradient in the positions, and an output without an energy or
            forces.

    Not guaranteed: conservation if other inputs interact, such as velocities or a field; use ``group=None``.
    """
    checks.number("tol", tol, 0)
    checks.number("rounding", rounding, 0)
    errors = conservation_error(model, inputs, pos, energy, forces, group, step, trials, seed)
    if not all(error <= (tol if case == "forces" else rounding) for case, error in errors.items()):
        table = "\n".join(f"  {case:10s} {error:.3g}" for case, error in errors.items())
        raise AssertionError(f"not conservative (tol {tol:g}, net {rounding:g}), relative error:\n{table}")
    return errors


def conservation_error(
    model: nn.Module,
    inputs: Inputs,
    pos: Name = "pos",
    energy: Any = None,
    forces: Any = None,
    group: GroupLike | None = "auto",
    step: float = 1e-4,
    trials: int = 4,
    seed: int = 0,
) -> dict[str, float]:
    """Measure the errors that :func:`assert_conservative` checks.

    Raises:
        ValueError: as :func:`assert_conservative`.
    """
    checks.instance("model", model, nn.Module, "a torch.nn.Module")
    checks.number("step", step, above=0)
    checks.integer("trials", trials)
    checks.integer("seed", seed, 0, checks.MOST)
    system = System(model, inputs, pos, energy, forces)
    x, force = system.pos, system.forces()
    generator, worst, scale = torch.Generator().manual_seed(seed), [], []
    floor = _rounding(system, step)
    for _ in range(trials):
        v = torch.randn(x.shape, generator=generator, dtype=torch.float64).to(x)
        found = slopes(system, v, step).sum(1)
        error = (found + (force * v).sum()).abs()
        best = error.argmin()
        worst.append(error[best])
        scale.append(torch.maximum(found[best].abs(), (force * v).sum().abs()))
    errors = {"forces": _ratio(torch.stack(worst).max(), torch.stack(scale).max(), SLOPE * floor.sum())}
    if group is None:
        return errors
    if group == "auto":
        group = model.frame.group if isinstance(model, FrameAveraging) else f"E({x.size(1)})"
    group, size, batch = Group.of(group), *_graphs(system)
    if group.translates:
        errors["net force"] = _ratio(*_total(force, batch, size), floor)
    if group.rotates and not isinstance(group, FiniteGroup):
        arm = x
        if group.translates:
            ones = scatter_sum(torch.ones_like(x[:, :1]), batch, size).clamp(min=1)
            arm = x - (scatter_sum(x, batch, size) / ones)[batch]
        product = arm.unsqueeze(2) * force.unsqueeze(1)
        total, terms = _total((product - product.mT).flatten(1), batch, size)
        terms = torch.maximum(terms, _total(product.flatten(1), batch, size)[1])
        errors["net torque"] = _ratio(total, terms, floor * arm.norm(dim=1).max())
    return errors


def slopes(system: System, v: Tensor, step: float) -> Tensor:
    """Derivatives of the energy of each graph along v by differences of fourth order, at three step sizes.

    Args:
        system: the call.
        v: directions.
        step: the largest step size; the others are a tenth and a hundredth of it.

    Shapes:
        v ``[N, d]``; returns ``[3, B]``.
    """
    return torch.stack([_slope(system, v, step / k) for k in (1, 10, 100)])


def _slope(system: System, v: Tensor, h: float) -> Tensor:
    """Derivative of the energies along v, up to terms of order h^4."""
    e = {k: system.energy_of_each(system.pos + k * h * v).detach() for k in (-2, -1, 1, 2)}
    return (8 * (e[1] - e[-1]) - (e[2] - e[-2])) / (12 * h)


def _graphs(system: System) -> tuple[int, Tensor]:
    batch = system.call.get("batch")
    if batch is None:
        batch = torch.zeros(len(system.pos), dtype=torch.long, device=system.pos.device)
    return graph_count(batch), batch


def _total(x: Tensor, batch: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Norm of the sum over each graph, and the sum of the norms of its terms."""
    norms = scatter_sum(x.norm(dim=1), batch, size)
    return scatter_sum(x, batch, size).norm(dim=1), norms


def _rounding(system: System, step: float) -> Tensor:
    """Slope ``[B]`` that the rounding of the energies in float64 can have over a step; smaller ones are 0.

    Of other types of numbers as well: they are too coarse for a bound that leaves something to compare.
    """
    energy = system.energy_of_each(system.pos).detach().abs()
    return torch.finfo(torch.float64).eps / step * energy


def _ratio(error: Tensor, scale: Tensor, floor: Tensor) -> float:
    """Largest relative error, 0 if all terms vanish; of terms that are rounding, relative to others."""
    floor = floor.view_as(scale) if floor.numel() == scale.numel() else floor.sum()
    error = torch.where(scale <= floor, 0, error)
    scale = torch.maximum(scale, torch.finfo(scale.dtype).eps ** 0.25 * scale.max())
    ratio = error / torch.where(scale == 0, torch.ones_like(scale), scale)
    return ratio.max().item()
