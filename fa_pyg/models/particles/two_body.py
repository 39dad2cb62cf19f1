"""Superposed two-body motions of charged particles: Kepler's problem."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from fa_pyg import checks
from fa_pyg.math.linalg import working_dtype
from fa_pyg.models.particles.edges import check_charge, check_system
from fa_pyg.models.particles.pairs import NEAR, Pairs, leapfrog

__all__ = ["TwoBody", "kepler"]

DOUBLINGS, HALVINGS = 20, 45  # of a bracket of the universal anomaly; Newton's method doubles the digits
SERIES = 1.0  # value of |beta| s^2 below which the closed forms would lose digits
STEEP = 300.0  # cosh of more would overflow


class TwoBody(nn.Module):
    r"""Superposition of the motions that each pair of charged particles would have alone; without learning.

    .. math:: y_i = x_i + t v_i + \frac12 \sum_j \big(r_{ij}(t) - r_{ij}(0) - t\, \dot r_{ij}(0)\big), \qquad
              \ddot r_{ij} = 2 q_i q_j \frac{r_{ij}}{|r_{ij}|^3}

    Exact for two particles of unit mass, and approximate for more. The law of the benchmark is built in, and
    there are no parameters. Equivariant to E(d), and the center of mass moves uniformly.

    Args:
        time: t; one unit is 1000 steps of the benchmark.
        max_force: limit of the components of a force, 100 in the benchmark's generator, by whose leapfrog
            scheme the pairs are then integrated. It matters in close encounters, and leaves only those
            rotations that map coordinate axes to each other. None: the exact solution, by ``kepler``.
        steps: number of steps if there is a limit.

    Shapes: ``pos, vel [N, d]``, ``charge [N, 1]``, ``edge_index [2, E]`` (interacting pairs, in one direction
    or in both); returns positions ``[N, d]``. ``edge_attr`` and ``batch`` are ignored: all models of the
    benchmark have the same signature.

    Raises:
        ValueError: for arguments out of range, missing edges and charges, and wrong shapes.

    Not guaranteed: derivatives with ``max_force`` where two particles coincide and move alike.
    """

    def __init__(self, time: float = 1.0, max_force: float | None = None, steps: int = 1000) -> None:
        super().__init__()
        self.time = checks.number("time", time, above=0)
        self.max_force = checks.number("max_force", max_force, above=0, optional=True)
        self.steps = checks.integer("steps", steps)

    def forward(
        self,
        pos: Tensor,
        vel: Tensor,
        charge: Tensor,
        edge_index: Tensor,
        edge_attr: Tensor | None = None,
        batch: Tensor | None = None,
    ) -> Tensor:
        check_system(pos, vel, edge_index)
        check_charge(charge, len(pos))
        pairs, dtype = Pairs.of(charge, edge_index), working_dtype(pos)
        x, v = pos.to(dtype), vel.to(dtype)
        r, u = pairs.difference(x), pairs.difference(v)
        deviation = self._moved(r, u, pairs.charges.to(dtype)) - r - self.time * u
        return (x + self.time * v + 0.5 * pairs.total(deviation)).to(pos.dtype)

    def _moved(self, r: Tensor, v: Tensor, charges: Tensor) -> Tensor:
        most = self.max_force
        if most is None:
            return kepler(r, v, -2 * charges, self.time)

        def acceleration(r: Tensor) -> Tensor:
            inverse = r.square().sum(-1, keepdim=True).clamp(min=NEAR**2).rsqrt()
            return 2 * (charges * inverse**3 * r).clamp(-most, most)

        return leapfrog(r, v, acceleration, self.time, self.steps)[0]


def kepler(r: Tensor, v: Tensor, mu: Tensor, time: float) -> Tensor:
    r"""Solve Kepler's problem :math:`\ddot r = -\mu r / |r|^3`; return r after ``time``.

    In the universal anomaly s, dt = r ds, all orbits have one form (Stumpff 1959):

    .. math:: t = r_0 s + \eta G_2 + \zeta G_3, \qquad
              r(t) = \Big(1 - \frac{\mu}{r_0} G_2\Big) r_0 + (t - \mu G_3) v_0

    with :math:`\beta = 2 \mu / r_0 - v_0^2`, :math:`\eta = r_0 \cdot v_0`, :math:`\zeta = \mu - \beta r_0`
    and the functions :math:`G_n(\beta, s)` of :func:`_stumpff`. Repulsion is a negative :math:`\mu`; head-on
    collisions bounce.

    Args:
        r, v: relative positions and velocities, ``[P, d]``.
        mu: strength of the attraction, ``[P, 1]``.
        time: not negative.
    """
    distance = r.square().sum(-1, keepdim=True).clamp(min=NEAR**2).sqrt()
    beta = 2 * mu / distance - v.square().sum(-1, keepdim=True)
    eta, zeta = (r * v).sum(-1, keepdim=True), mu - beta * distance

    def clock(s: Tensor) -> Tensor:
        _, g2, g3 = _stumpff(beta, s)
        return distance * s + eta * g2 + zeta * g3

    with torch.no_grad():
        s = _solve(clock, time, time / distance)
    g1, g2, _ = _stumpff(beta, s)
    # A step of Newton's method, which also makes s differentiable: dt/ds = r.
    s = s + (time - clock(s)) / (distance + eta * g1 + zeta * g2).detach().clamp(min=NEAR)
    g2, g3 = _stumpff(beta, s)[1:]
    return (1 - mu / distance * g2) * r + (time - mu * g3) * v


def _solve(increasing: Callable[[Tensor], Tensor], value: float, start: Tensor) -> Tensor:
    """Return where an increasing function that is 0 at 0 has a value, by bisection."""
    high = start
    for _ in range(DOUBLINGS):
        high = torch.where(increasing(high) < value, 2 * high, high)
    low = torch.zeros_like(high)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        below = increasing(middle) < value
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return (low + high) / 2


def _stumpff(beta: Tensor, s: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    r"""Return G_1, G_2, G_3, where :math:`G_n = \sum_k (-\beta)^k s^{n + 2k} / (n + 2k)!`."""
    z = beta * s * s
    near = z.abs() < SERIES
    small, far = torch.where(near, z, 0), torch.where(near, SERIES, z)
    c2, c3 = (_series(small, n) for n in (2, 3))
    root = far.abs().sqrt()
    cos = torch.where(far > 0, root.cos(), root.clamp(max=STEEP).cosh())
    sin = torch.where(far > 0, root.sin(), root.clamp(max=STEEP).sinh())
    c2 = torch.where(near, c2, (1 - cos) / far)
    c3 = torch.where(near, c3, (root - sin) / (root * far))
    return s * (1 - z * c3), s**2 * c2, s**3 * c3


def _series(z: Tensor, n: int) -> Tensor:
    """Return the sum of (-z)^k / (n + 2k)! over k."""
    total = torch.ones_like(z)
    for k in range(9, 0, -1):
        total = 1 - z * total / ((n + 2 * k - 1) * (n + 2 * k))
    return total / math.factorial(n)
