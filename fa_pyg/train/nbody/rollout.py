"""Rollouts of n-body models: their predictions as the next inputs, against the true trajectories."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fa_pyg import checks
from fa_pyg.datasets import NBody
from fa_pyg.datasets.nbody_edges import nearest_pairs
from fa_pyg.datasets.nbody_law import DT, STRIDE, energy_terms, simulate
from fa_pyg.loader import InMemoryLoader
from fa_pyg.train.tasks.nbody import NBodyModule

__all__ = ["Step", "Trajectory", "free_step", "model_step", "roll_out", "true_trajectory"]

Step = Callable[[Any], tuple[Tensor, Tensor]]  # of a batch


@dataclass(frozen=True)
class Trajectory:
    """Positions and velocities of S systems at T + 1 times, in float64.

    Attributes:
        charge: ``[S, n, 1]``.
        pos, vel: ``[T + 1, S, n, 3]``.
        interaction: the law (:class:`~fa_pyg.datasets.NBody`).
    """

    charge: Tensor
    pos: Tensor
    vel: Tensor
    interaction: str = "charged"

    def errors(self, true: Trajectory) -> Tensor:
        """Return the mean squared error of the positions of each system ``[T + 1, S]``."""
        return (self.pos - true.pos).square().mean((-1, -2))

    def energy_drift(self) -> Tensor:
        r"""Return the change of the energy of each system ``[T + 1, S]``, relative to the size of its terms.

        .. math:: \frac{|E(t) - E(0)|}{T(0) + \sum_{i<j} |U_{ij}(0)|}

        The energy itself is no scale: it may vanish.
        """
        kinetic, pairs = energy_terms(self.charge, self.pos, self.vel, self.interaction)
        energy = kinetic + pairs.sum(-1)
        return (energy - energy[0]).abs() / (kinetic[0] + pairs[0].abs().sum(-1))


def model_step(module: NBodyModule) -> Step:
    """Return the function of a batch that predicts positions and velocities.

    Args:
        module: with the targets ``["y", "y_vel"]``, or of a model whose ``forward`` has the argument
            ``return_velocity``, such as :class:`~fa_pyg.models.PairForceIntegrator`.

    Raises:
        ValueError: for any other. Differences of positions over a unit of time are no velocities.
    """
    if module.targets == ("y", "y_vel"):
        return module
    if "return_velocity" not in inspect.signature(module.model.forward).parameters:
        expected = "one that predicts velocities, too (target: [y, y_vel], or a forward with return_velocity)"
        hint = "; differences of predicted positions are too coarse to be velocities"
        checks.refuse("model", expected, f"one that predicts {', '.join(module.targets)}", hint)
    return lambda batch: module.model(
        **module.attributes(batch, module.inputs, "inputs"), batch=batch.batch, return_velocity=True
    )


def free_step(data: NBody) -> Step:
    """Return the function of a batch that lets no force act: a baseline without learning."""
    time = DT * data.num_steps
    return lambda batch: (batch.pos + time * batch.vel, batch.vel)


@torch.no_grad()
def roll_out(step: Step, data: NBody, times: int, batch_size: int = 100) -> Trajectory:
    """Return the trajectory of a model from the inputs of a data set, in ``times`` steps.

    A step is the time from input to target. Nearest neighbors are searched again in every step.

    Args:
        step: predicts positions and velocities ``[N, 3]`` of a batch.
        data: the systems; all or a part.
        times: number of steps.
        batch_size: systems that are rolled out at once.
    """
    checks.integer("times", times)
    parts = []
    for batch in InMemoryLoader(data, batch_size):
        states = [(batch.pos, batch.vel)]
        for _ in range(times):
            states.append(step(_moved(batch, *states[-1], data.num_neighbors)))
        pos, vel = (torch.stack(part).double() for part in zip(*states, strict=True))
        shape = (times + 1, batch.num_graphs, -1, 3)
        charge = batch.charge.view(batch.num_graphs, -1, 1).double()
        parts.append((charge, pos.view(shape), vel.view(shape)))
    charge, pos, vel = zip(*parts, strict=True)
    return Trajectory(torch.cat(charge), torch.cat(pos, 1), torch.cat(vel, 1), data.interaction)


def true_trajectory(data: NBody, times: int) -> Trajectory:
    """Return the trajectory of the law at the same times, from the same inputs (float32 as the data are).

    Not guaranteed: a meaning beyond close encounters, which are chaotic, so that rounding grows to the size
    of the system.
    """
    batch = next(iter(InMemoryLoader(data, len(data))))
    values = (batch.charge, batch.pos, batch.vel)
    charge, x, v = (value.view(len(data), -1, value.size(1)).double() for value in values)
    every = data.num_steps // STRIDE
    frames = range(every - 1, every * checks.integer("times", times), every)
    later = simulate(charge.numpy(), x.numpy(), v.numpy(), frames, data.interaction)
    pos, vel = (
        torch.cat([first.unsqueeze(0), torch.from_numpy(rest).transpose(0, 1)])
        for first, rest in zip((x, v), later, strict=True)
    )
    return Trajectory(charge, pos, vel, data.interaction)


def _moved(batch: Any, pos: Tensor, vel: Tensor, num_neighbors: int | None) -> Any:
    """Return a batch with its particles elsewhere."""
    batch = copy.copy(batch)
    batch.pos, batch.vel = pos, vel
    if num_neighbors is not None:
        batch.edge_index, batch.edge_attr = nearest_pairs(pos, batch.charge, num_neighbors, batch.batch)
    return batch
