"""Second-order integrator of particles with a learned central pair force."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from fa_pyg import checks
from fa_pyg.models.particles.edges import check_charge, check_system, graph_index
from fa_pyg.models.particles.pairs import NEAR, Pairs, leapfrog

__all__ = ["PairForceIntegrator", "RadialForce"]

UNCHARGED = 1e-20  # product of charges that keeps the bound of g finite, and its gradient
BOOST, DAMP = 20.0, 0.1  # learning rates of the power law and of its correction, relative to the optimizer's


class RadialForce(nn.Module):
    r"""Learned profile of a central force: a power law times a correction by a small network.

    .. math:: g(r) = \exp\big(a_0 + a_1 \log r + f(\log r)\big)

    f is zero at first, learns slower than the power law, and tends to constants at both ends: where data are
    few, as in close encounters, the power law extrapolates. At first the force has the same strength at all
    distances, :math:`g(r) r = 1`.

    Args:
        hidden_channels: width of f, a network with one hidden layer.

    Shapes: squared distances ``[P, 1]``, not zero; returns g ``[P, 1]``, positive.

    Raises:
        ValueError: for a width out of range.
    """

    def __init__(self, hidden_channels: int = 8) -> None:
        super().__init__()
        checks.size("hidden_channels", hidden_channels)
        self.power = nn.Parameter(torch.tensor([0.0, -1.0]) / BOOST)
        self.hidden = nn.Linear(1, hidden_channels)
        self.correction = nn.Linear(hidden_channels, 1, bias=False)
        nn.init.zeros_(self.correction.weight)

    def forward(self, square: Tensor) -> Tensor:
        distance = 0.5 * square.log()
        factor, exponent = BOOST * self.power
        correction = DAMP * self.correction(self.hidden(distance).tanh())
        return torch.exp(torch.addcmul(factor + correction, distance, exponent))


class PairForceIntegrator(nn.Module):
    r"""Integrator of the equations of motion with a learned central pair force.

    A neural ordinary differential equation of second order ("Neural Ordinary Differential Equations", Chen
    et al. 2018). Built in are that the force is central, proportional to both charges, and repulsive between
    equal ones. Learned is how it depends on the distance, by ``RadialForce``.

    .. math:: \ddot x_i = \sum_j q_i q_j\, g(|x_i - x_j|) (x_i - x_j)

    Evaluation is by the leapfrog scheme of the benchmark's generator, in ``steps`` equal steps h:
    v += h F(x), x += h v. Velocities are half a step behind positions, as in the data.

    Training is by ``train_steps`` leapfrog steps, whose length each graph adapts to the rate
    :math:`\omega` of its fastest pair:

    .. math:: \omega^2 = \max_{ij} \frac{|v_i - v_j|^2}{r_{ij}^2} + 2 |q_i q_j| g(r_{ij}), \qquad
              h = \frac{\text{step\_angle}}{\omega}

    (longer where the steps would not suffice). Since the gradients of chaotic graphs would swamp all others,
    the gradient of each graph is scaled by :math:`\exp(-(\max_t \omega / \text{max\_rate})^2)`. Predictions
    stay as they are, and in training those of chaotic graphs are inaccurate: errors in training are not
    comparable to those in evaluation.

    Equivariant to E(d), and momentum is conserved, unless ``limit`` is ``"component"``.

    Args:
        hidden_channels: width of the network in the force.
        time: from input to prediction; one unit is 1000 steps of the benchmark.
        steps: number of equal steps in evaluation.
        train_steps: number of adaptive steps in training.
        step_angle: product of rate and length of a step in training.
        max_rate: rate above which a graph has little part in training.
        max_force: limit of forces in evaluation, that of the benchmark's generator; None: no limit.
        limit: ``"pair"`` limits the force between two particles; ``"component"`` the components of the total
            force on a particle, as the generator does. The latter leaves only those rotations that map
            coordinate axes to each other (the group ``"T(3):Oh"``), and does not conserve momentum.

    Shapes: ``pos, vel [N, d]``, ``charge [N, 1]``, ``edge_index [2, E]`` (interacting pairs, in one direction
    or in both), ``batch [N]`` in any order (None: one graph); returns positions ``[N, d]``, with
    ``return_velocity`` a tuple of positions and velocities. ``edge_attr`` is ignored: all models of the
    benchmark have the same signature.

    Raises:
        ValueError: for arguments out of range, missing edges and charges, and wrong shapes.

    Not guaranteed: accuracy in encounters that the steps do not resolve. With gradients, evaluation keeps all
    steps in memory.
    """

    def __init__(
        self,
        hidden_channels: int = 8,
        time: float = 1.0,
        steps: int = 1000,
        train_steps: int = 100,
        step_angle: float = 0.03,
        max_rate: float = 30.0,
        max_force: float | None = 100.0,
        limit: Literal["pair", "component"] = "pair",
    ) -> None:
        super().__init__()
        self.time = checks.number("time", time, above=0)
        self.steps = checks.integer("steps", steps)
        self.train_steps = checks.integer("train_steps", train_steps)
        self.step_angle = checks.number("step_angle", step_angle, above=0)
        self.max_rate = checks.number("max_rate", max_rate, above=0)
        self.max_force = checks.number("max_force", max_force, above=0, optional=True)
        self.limit = checks.one_of("limit", limit, ("pair", "component"))
        self.force = RadialForce(hidden_channels)

    def forward(
        self,
        pos: Tensor,
        vel: Tensor,
        charge: Tensor,
        edge_index: Tensor,
        edge_attr: Tensor | None = None,
        batch: Tensor | None = None,
        return_velocity: bool = False,
    ) -> Tensor | tuple[Tensor, Tensor]:
        check_system(pos, vel, edge_index)
        check_charge(charge, len(pos))
        pairs = Pairs.of(charge, edge_index)
        x, v = self._adaptive(pos, vel, pairs, batch) if self.training else self._equal(pos, vel, pairs)
        return (x, v) if return_velocity else x

    def rollout(self, pos: Tensor, vel: Tensor, times: int, **inputs: Tensor | None) -> Tensor:
        """Return positions after 0, 1, ..., ``times`` calls: ``[times + 1, N, d]``; inputs as in a call."""
        path = [pos]
        for _ in range(checks.integer("times", times, 0)):
            pos, vel = self(pos=pos, vel=vel, **inputs, return_velocity=True)
            path.append(pos)
        return torch.stack(path)

    def _equal(self, x: Tensor, v: Tensor, pairs: Pairs) -> tuple[Tensor, Tensor]:
        """Integrate in equal steps, with limited forces."""
        per_pair, most = self.limit == "pair", self.max_force
        bound = most / pairs.charges.abs().clamp(min=UNCHARGED) if most is not None and per_pair else None

        def acceleration(x: Tensor) -> Tensor:
            force = pairs.total(self._pull(x, pairs, bound)[0])
            return force if most is None or per_pair else force.clamp(-most, most)

        return leapfrog(x, v, acceleration, self.time, self.steps)

    def _adaptive(self, x: Tensor, v: Tensor, pairs: Pairs, batch: Tensor | None) -> tuple[Tensor, Tensor]:
        """Integrate in steps of each graph, and scale its gradient."""
        graph = graph_index(batch)
        if graph is None:
            graph = torch.zeros_like(x[:, 0], dtype=torch.long)
        lag = offset = self.time / self.steps  # velocities are half of this behind positions
        left = x.new_full((len(x),), self.time)
        peak = torch.zeros_like(left)
        for number in range(self.train_steps):
            force, r, g = self._pull(x, pairs)
            with torch.no_grad():
                rates = _rates(r, pairs.difference(v), pairs.charges, g)
                rate = torch.zeros_like(peak).scatter_reduce_(0, graph[pairs.first], rates, "amax")
                step = torch.maximum(self.step_angle / rate, left / (self.train_steps - number))
                step = torch.minimum(step, left)
                left, peak, h = left - step, torch.maximum(peak, rate), step[graph].unsqueeze(-1)
            v = torch.addcmul(v, pairs.total(force), (lag + h) / 2)
            x, lag = torch.addcmul(x, v, h), h
        v = torch.addcmul(v, pairs.total(self._pull(x, pairs)[0]), torch.as_tensor((lag - offset) / 2))
        share = torch.exp(-((peak / self.max_rate) ** 2))[graph].unsqueeze(-1)
        return torch.lerp(x.detach(), x, share), torch.lerp(v.detach(), v, share)

    def _pull(self, x: Tensor, pairs: Pairs, bound: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Return forces, displacements and g of pairs; g r is at most ``bound``."""
        r = pairs.difference(x)
        square = r.square().sum(-1, keepdim=True).clamp(min=NEAR**2)
        g = self.force(square)
        if bound is not None:
            g = torch.minimum(g, bound * square.rsqrt())
        return pairs.charges * g * r, r, g


def _rates(r: Tensor, v: Tensor, charges: Tensor, g: Tensor) -> Tensor:
    square = r.square().sum(-1).clamp(min=NEAR**2)
    return (v.square().sum(-1) / square + 2 * (charges.abs() * g).squeeze(-1)).sqrt()
