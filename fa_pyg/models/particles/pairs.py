"""Unordered pairs of interacting particles, and the leapfrog scheme."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from fa_pyg.math.linalg import scatter_sum

__all__ = ["NEAR", "Pairs", "leapfrog"]

NEAR = 1e-4  # closer pairs are treated as if they were this far apart: forces stay finite


@dataclass(frozen=True)
class Pairs:
    """Unordered pairs i, j of interacting particles.

    Attributes:
        ends: i of all pairs, then j of all pairs, ``[2 P]``.
        charges: q_i q_j, ``[P, 1]``.
        size: number of particles.
    """

    ends: Tensor
    charges: Tensor
    size: int

    @classmethod
    def of(cls, charge: Tensor, edge_index: Tensor) -> Pairs:
        """Return each pair once, whether its edges go in one direction or in both; without self-loops."""
        size, charge = len(charge), charge.view(-1, 1)
        low, high = edge_index.amin(0), edge_index.amax(0)
        number = torch.unique((low * size + high)[low != high])
        i, j = number // size, number % size
        return cls(torch.cat([i, j]), charge[i] * charge[j], size)

    @property
    def first(self) -> Tensor:
        """The particles i, ``[P]``."""
        return self.ends[: len(self.charges)]

    def difference(self, x: Tensor) -> Tensor:
        """Return x_i - x_j, ``[P, d]``."""
        # Not index_select: on a CPU, the gradient of gather takes a tenth of the time.
        i, j = x.gather(0, self.ends.unsqueeze(-1).expand(-1, x.size(1))).chunk(2)
        return i - j

    def total(self, force: Tensor) -> Tensor:
        """Sum forces ``[P, d]`` that act on i and, in the opposite direction, on j: ``[N, d]``."""
        return scatter_sum(torch.cat([force, -force]), self.ends, self.size)


def leapfrog(
    x: Tensor, v: Tensor, acceleration: Callable[[Tensor], Tensor], time: float, steps: int
) -> tuple[Tensor, Tensor]:
    """Integrate in equal steps h, v += h a(x), x += h v, as the generator of the benchmark does.

    Velocities are half a step behind positions, before and after.
    """
    h = time / steps
    for _ in range(steps):
        v = torch.add(v, acceleration(x), alpha=h)
        x = torch.add(x, v, alpha=h)
    return x, v
