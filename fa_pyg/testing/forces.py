"""Whether forces are the gradient of an energy, and sum to no net force and torque."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from fa_pyg import checks
from fa_pyg.calls import Name
from fa_pyg.groups import FiniteGroup, Group, GroupLike
from fa_pyg.math.linalg import scatter_sum
from fa_pyg.nn.averaging import FrameAveraging
from fa_pyg.testing.energies import Inputs, System

__all__ = ["assert_conservative", "conservation_error"]


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
    r"""Asserts that forces are those of the energy, and that what its symmetry conserves is conserved.

    .. math:: F_i = -\frac{\partial E}{\partial x_i}, \qquad \sum_i F_i = 0, \qquad \sum_i x_i \wedge F_i = 0

    The derivative is taken along random directions by central differences of fourth order, at three steps;
    the one that agrees best counts: a wrong force is wrong for all, while a framed energy may vary on a small
    scale where frames blend. A graph's net force is 0 where translations leave E alone, its net torque where
    all rotations do, not those of a finite group alone.

    Args:
        model: gives an energy for each graph; put it into ``eval()``, in float64 for the default bounds.
        inputs: what it is called with, as in :func:`~fa_pyg.testing.assert_equivariant`.
        pos: the name of the positions ``[N, d]``, or their place.
        energy: the key of the energy where the model returns a dict or a tuple.
        forces: the key of the forces, if the model returns them; default ``-torch.autograd.grad``.
        group: what E is invariant under; "auto" for that of the frame of a
            :class:`~fa_pyg.FrameAveraging`, E(d) for other models; None to look at the derivative alone.
        tol: bound on the error of the forces relative to the largest directional derivative.
        rounding: bound on net force and torque relative to the sum of their terms' norms.
        step: the largest of the differences, in units of the positions; the others are a tenth and a
            hundredth of it.
        trials: random directions.
        seed: of the directions.

    Returns:
        The errors: ``forces``, and ``net force`` and ``net torque`` where the group has them.

    Raises:
        AssertionError: with all of them, if one is above its bound or not finite.
        ValueError: if the energy does not depend on the positions by autograd, or what the model returns is
            no energy (no forces) without ``energy=`` (``forces=``).

    Not guaranteed: conservation where other inputs take part, as velocities or a field do: then say None.
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
    """Returns the errors that :func:`assert_conservative` checks, without judging them."""
    checks.instance("model", model, nn.Module, "a torch.nn.Module")
    checks.number("step", step, above=0)
    checks.integer("trials", trials)
    checks.integer("seed", seed, 0, checks.MOST)
    system = System(model, inputs, pos, energy, forces)
    x, force = system.pos, system.forces()
    generator, worst, scale = torch.Generator().manual_seed(seed), [], []
    for _ in range(trials):
        v = torch.randn(x.shape, generator=generator, dtype=torch.float64).to(x)
        slopes = torch.stack([_slope(system, v, step / k) for k in (1, 10, 100)])
        error = (slopes + (force * v).sum()).abs()
        best = error.argmin()
        worst.append(error[best])
        scale.append(slopes[best].abs())
    errors = {"forces": _ratio(torch.stack(worst).max(), torch.stack(scale).max())}
    if group is None:
        return errors
    if group == "auto":
        group = model.frame.group if isinstance(model, FrameAveraging) else f"E({x.size(1)})"
    group, size, batch = Group.of(group), *_graphs(system)
    if group.translates:
        errors["net force"] = _ratio(*_total(force, batch, size))
    if group.rotates and not isinstance(group, FiniteGroup):
        arm = x
        if group.translates:
            ones = scatter_sum(torch.ones_like(x[:, :1]), batch, size).clamp(min=1)
            arm = x - (scatter_sum(x, batch, size) / ones)[batch]
        product = arm.unsqueeze(2) * force.unsqueeze(1)
        total, terms = _total((product - product.mT).flatten(1), batch, size)
        errors["net torque"] = _ratio(total, torch.maximum(terms, _total(product.flatten(1), batch, size)[1]))
    return errors


def _slope(system: System, v: Tensor, h: float) -> Tensor:
    """The derivative of E along v, up to terms of the order h^4."""
    e = {k: system.energy(system.pos + k * h * v).detach() for k in (-2, -1, 1, 2)}
    return (8 * (e[1] - e[-1]) - (e[2] - e[-2])) / (12 * h)


def _graphs(system: System) -> tuple[int, Tensor]:
    batch = system.call.get("batch")
    if batch is None:
        batch = torch.zeros(len(system.pos), dtype=torch.long, device=system.pos.device)
    return int(batch.max()) + 1, batch


def _total(x: Tensor, batch: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The sum over each graph, its norm, and the sum of its terms' norms."""
    norms = scatter_sum(x.norm(dim=1), batch, size)
    return scatter_sum(x, batch, size).norm(dim=1), norms


def _ratio(error: Tensor, scale: Tensor) -> float:
    """The largest relative error; where all vanishes there is none."""
    ratio = error / torch.where(scale == 0, torch.ones_like(scale), scale)
    return ratio.max().item()
