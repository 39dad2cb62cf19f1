"""Two-body motions: exact for two particles, whatever their orbit, and superposed for more."""

import math

import pytest
import torch

from fa_pyg.datasets.nbody import simulate
from fa_pyg.models import TwoBody
from fa_pyg.models.particles.two_body import kepler
from fa_pyg.testing import assert_equivariant, equivariance_error

REPS = {"pos": "point", "vel": "vector"}


def integrated(r, v, mu, time):
    from scipy.integrate import solve_ivp

    def change(t, y):
        return [*y[3:], *(-mu * y[:3] / (y[:3] @ y[:3]) ** 1.5)]

    start = torch.cat([r, v]).tolist()
    return torch.tensor(solve_ivp(change, (0, time), start, "DOP853", rtol=1e-12, atol=1e-13).y[:3, -1])


@pytest.mark.parametrize("mu", [2.0, 1e-6, -2.0])
@pytest.mark.parametrize("speed", [0.0, 0.01, 1.0, 1.4142135, 3.0])
def test_equals_fine_integration(mu, speed):
    """Bound, nearly parabolic and hyperbolic orbits, attraction and repulsion, forwards and backwards."""
    r = torch.tensor([[0.9, -0.3, 0.4]], dtype=torch.float64)
    v = torch.tensor([[0.3, 0.7, -0.6]], dtype=torch.float64)
    v = speed * v / v.norm()
    for v_now in (v, -v):
        found = kepler(r, v_now, torch.full((1, 1), mu, dtype=torch.float64), 0.7)
        torch.testing.assert_close(found[0], integrated(r[0], v_now[0], mu, 0.7), rtol=0, atol=1e-9)


@pytest.mark.parametrize("radius", [1.0, 0.1, 0.01])
def test_circles_have_a_closed_form(radius):
    mu, rate = 2.0, math.sqrt(2.0 / radius**3)  # up to 225 turns
    r, v = radius * torch.eye(3, dtype=torch.float64)[:1], rate * radius * torch.eye(3).double()[1:2]
    found = kepler(r, v, torch.full((1, 1), mu, dtype=torch.float64), 1.0)
    goal = radius * torch.tensor([[math.cos(rate), math.sin(rate), 0]], dtype=torch.float64)
    torch.testing.assert_close(found, goal, rtol=0, atol=1e-9)


def test_a_fall_from_rest_returns_after_a_period():
    r, mu = torch.tensor([[0.5, 0, 0]], dtype=torch.float64), torch.full((1, 1), 2.0, dtype=torch.float64)
    period = 2 * math.pi * math.sqrt(0.25**3 / 2)
    torch.testing.assert_close(kepler(r, 0 * r, mu, period), r, rtol=0, atol=1e-9)
    assert kepler(r, 0 * r, mu, period / 2).norm() < 1e-6


def test_gradients_are_those_of_finite_differences():
    r, v, dr, dv = torch.randn(4, 6, 3, dtype=torch.float64)
    mu = torch.tensor([[2.0], [-2.0]] * 3, dtype=torch.float64)
    dmu = torch.randn_like(mu)
    leaves = [one.requires_grad_() for one in (r, v, mu)]
    out = kepler(*leaves, 0.5)
    weight = torch.randn_like(out)
    found = torch.autograd.grad((weight * out).sum(), leaves)
    slope = sum((one * step).sum() for one, step in zip(found, (dr, dv, dmu), strict=True))
    h = 1e-6
    ends = [kepler(r + k * dr, v + k * dv, mu + k * dmu, 0.5).detach() for k in (-h, h)]
    torch.testing.assert_close(slope, ((ends[1] - ends[0]) * weight).sum() / (2 * h), rtol=1e-5, atol=0)


def test_two_particles_move_as_the_generator_moves_them(two):
    """Also in a close encounter, with its limit of forces."""
    inputs = two(0.12, speed=1.0)
    arrays = [inputs[key][None].numpy() for key in ("charge", "pos", "vel")]
    pos, vel = (torch.from_numpy(one[0]) for one in simulate(*arrays, (0, 1)))
    inputs.update(pos=pos[0], vel=vel[0])
    limited = TwoBody(time=0.1, steps=100, max_force=100.0)
    torch.testing.assert_close(limited(**inputs), pos[1], rtol=0, atol=1e-9)
    assert (TwoBody(time=0.1)(**inputs) - pos[1]).abs().max() > 1e-3


def test_steps_converge_to_the_exact_motion(charged):
    inputs, exact = charged([2, 2, 2, 2, 2]), TwoBody()
    errors = [(TwoBody(1.0, 1e9, steps)(**inputs) - exact(**inputs)).abs().max() for steps in (100, 200)]
    assert 1e-6 < errors[1] < 1e-2
    assert 1.8 < errors[0] / errors[1] < 4.2  # velocities are half a step behind: of first order


def test_pairs_are_superposed(charged):
    inputs = charged([4])
    x, v = inputs["pos"], inputs["vel"]
    expected = x + v
    for i, j in inputs["edge_index"].T.tolist():
        pair = {**{key: inputs[key][[i, j]] for key in ("pos", "vel", "charge")}}
        alone = TwoBody()(**pair, edge_index=torch.tensor([[0], [1]]))
        expected[i] += alone[0] - (x + v)[i]
    torch.testing.assert_close(TwoBody()(**inputs), expected, rtol=0, atol=1e-10)


def test_equivariant_and_with_a_limit_not(charged, two):
    assert_equivariant(TwoBody(), charged(), "E(3)", REPS, "point", tol=1e-9)
    limited = TwoBody(time=0.05, max_force=100.0, steps=50)
    assert equivariance_error(limited, two(0.05), "E(3)", REPS, "point")["proper"] > 1e-2
    assert_equivariant(limited, two(0.05), "T(3):Oh", REPS, "point", tol=1e-9)


@pytest.mark.parametrize("most", [None, 100.0])
def test_center_of_mass_moves_uniformly(most, charged):
    inputs = charged([6])
    end = TwoBody(2.0, most, steps=50)(**inputs)
    free = inputs["pos"] + 2 * inputs["vel"]
    assert (end - free).abs().max() > 0.1
    torch.testing.assert_close(end.mean(0), free.mean(0))


def test_a_batch_equals_single_graphs(charged, single):
    inputs = charged()
    alone = torch.cat([TwoBody()(**single(inputs, graph)) for graph in range(4)])
    torch.testing.assert_close(TwoBody()(**inputs), alone)


@pytest.mark.parametrize("most", [None, 100.0])
@pytest.mark.parametrize("distance", [0.0, 1e-12, 1e-5, 1e-3])
def test_encounters_are_finite(distance, most, two):
    inputs = two(distance, torch.float32)
    for charge in (inputs["charge"], inputs["charge"].abs(), 0 * inputs["charge"]):
        inputs["charge"], pos = charge, inputs["pos"].detach().requires_grad_()
        out = TwoBody(max_force=most, steps=50)(**{**inputs, "pos": pos})
        out.sum().backward()
        assert out.dtype == torch.float32
        assert out.isfinite().all()
        assert pos.grad.isfinite().all()


def test_neutral_particles_fly_freely(charged):
    inputs = charged()
    inputs["charge"] = torch.zeros_like(inputs["charge"])
    torch.testing.assert_close(TwoBody()(**inputs), inputs["pos"] + inputs["vel"])
