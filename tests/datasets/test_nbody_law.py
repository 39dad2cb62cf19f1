"""Energies of systems, and trajectories that are continued from a stored state."""

import numpy as np
import pytest
import torch

from fa_pyg.datasets import NBody
from fa_pyg.datasets.nbody_law import energy_terms, initial_states, simulate


@pytest.mark.parametrize("interaction", ["charged", "gravity"])
def test_energies_equal_plain_loops(interaction):
    q, x, v = torch.randn(2, 4, 1).sign(), torch.randn(2, 4, 3), torch.randn(2, 4, 3)
    kinetic, pairs = energy_terms(q, x, v, interaction)
    softening, sign = (0.2, -1) if interaction == "gravity" else (0.0, 1)
    for s in range(2):
        slow = [
            float(sign * q[s, i] * q[s, j] / ((x[s, i] - x[s, j]).square().sum() + softening**2) ** 0.5)
            for i in range(4)
            for j in range(i + 1, 4)
        ]
        assert pairs[s].tolist() == pytest.approx(slow)
        assert float(kinetic[s]) == pytest.approx(sum(0.5 * float(u @ u) for u in v[s]))


def smooth(interaction):
    """Four particles that do not meet."""
    charge = np.array([[[1.0], [1.0], [-1.0], [1.0]]]) if interaction == "charged" else np.ones((1, 4, 1))
    pos = 2.0 * np.array([[[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]])
    return charge, pos, 0.1 * np.random.default_rng(0).normal(size=(1, 4, 3))


@pytest.mark.parametrize("interaction", ["charged", "gravity"])
def test_the_energy_of_a_trajectory_is_constant(interaction):
    charge, pos, vel = smooth(interaction)
    states = simulate(charge, pos, vel, range(0, 10, 3), interaction)
    pos, vel = map(torch.from_numpy, states)
    kinetic, pairs = energy_terms(torch.from_numpy(charge)[:, None], pos, vel, interaction)
    energy = (kinetic + pairs.sum(-1))[0]
    assert float((energy - energy[0]).abs().max()) < 1e-3
    assert float((kinetic - kinetic[0, 0]).abs().max()) > 1e-2  # the control: its parts are not


def test_a_stored_state_continues_the_trajectory():
    """With the velocities that belong to it, half a step behind."""
    states = smooth("charged")
    pos, vel = simulate(*states, frames=(2, 5))
    again, _ = simulate(states[0], pos[:, 0], vel[:, 0], frames=(2,))
    np.testing.assert_allclose(again[:, 0], pos[:, 1], rtol=0, atol=1e-12)


def test_large_systems_integrate_as_small_ones():
    """Systems of 100 particles, of which 98 have no charge: as two particles alone."""
    charge, pos, vel = (one.copy() for one in initial_states(range(2), num_particles=100))
    charge[:, 2:] = 0
    together, alone = (simulate(charge[:, :n], pos[:, :n], vel[:, :n], (0,))[0] for n in (100, 2))
    np.testing.assert_allclose(together[:, :, :2], alone, rtol=0, atol=1e-12)
    assert np.abs(alone[:, 0] - pos[:, :2] - 0.1 * vel[:, :2]).max() > 1e-4  # a force acted


def test_target_velocities(tmp_path):
    small = {"length": 400, "input_frame": 0, "target_frame": 2, "log": False}
    data = NBody(tmp_path, "train", 3, velocities=True, **small)
    assert "y_vel" not in NBody(tmp_path, "train", 3, **small)[0]
    assert data.num_steps == 200
    charge, pos, vel = initial_states(range(3), length=400)
    expected = simulate(charge, pos, vel, (2,))[1][1, 0]
    np.testing.assert_allclose(data[1].y_vel.numpy(), expected, rtol=1e-6)
    assert torch.equal(data[1].y_vel, NBody(tmp_path, "train", 3, velocities=True, **small)[1].y_vel)
