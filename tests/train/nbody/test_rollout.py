"""Rollouts: the true law as a model, in loops, and models that cannot be rolled out."""

import numpy as np
import pytest
import torch
from torch import nn

from fa_pyg.datasets import NBody
from fa_pyg.datasets.nbody_law import simulate
from fa_pyg.models import KinematicGNN, Linear, PairForceIntegrator
from fa_pyg.train import NBodyModule
from fa_pyg.train.nbody.rollout import free_step, model_step, roll_out, true_trajectory
from fa_pyg.train.nbody.rollout_report import TRUE, plot_paths, plot_rollouts, report

SMALL = {"length": 400, "input_frame": 0, "target_frame": 2, "log": False}  # two hundred steps
INPUTS = ("pos", "vel", "charge", "edge_index", "edge_attr")


class Law(nn.Module):
    """The true law for two hundred steps: what a perfect model predicts."""

    def forward(self, pos, vel, charge, edge_index, edge_attr, batch):
        states = [x.view(int(batch.max()) + 1, -1, x.size(1)).double().numpy() for x in (charge, pos, vel)]
        return [torch.from_numpy(one[:, 0]).flatten(0, 1).to(pos) for one in simulate(*states, (1,))]


@pytest.fixture
def data(tmp_path):
    return NBody(tmp_path, "train", 6, **SMALL)


def both(model):
    return NBodyModule(model.eval(), target=["y", "y_vel"])


def test_the_law_as_a_model_has_no_error(data):
    found, true = roll_out(model_step(both(Law())), data, 3, batch_size=4), true_trajectory(data, 3)
    assert found.pos.shape == (4, 6, 5, 3)
    errors = found.errors(true)
    assert errors[0].eq(0).all()
    assert float(errors.median(1).values.max()) < 1e-9
    free = roll_out(free_step(data), data, 3).errors(true)
    assert float(free[-1].median()) > 1e-4  # the control: forces act


def test_the_true_trajectory_begins_with_the_data(data):
    true, part = true_trajectory(data, 2), true_trajectory(data[2:5], 2)
    assert torch.equal(true.pos[0, 3], data[3].pos.double())
    errors = (true.pos[1] - torch.stack([one.y for one in data])).abs().amax((1, 2))
    assert float(errors.median()) < 1e-5
    for whole, some in ((true.pos, part.pos), (true.vel, part.vel)):
        np.testing.assert_array_equal(whole[:, 2:5], some)


@pytest.mark.parametrize("num_neighbors", [None, 2])
def test_rollouts_equal_single_systems_step_by_step(tmp_path, num_neighbors):
    data = NBody(tmp_path, "train", 3, num_neighbors=num_neighbors, **SMALL)
    module = both(KinematicGNN(8, 1, velocity=True))
    found = roll_out(model_step(module), data, 2, batch_size=2)
    for system, one in enumerate(data):
        pos, vel, charge = one.pos, one.vel, one.charge
        for step in range(2):
            near = (pos[:, None] - pos).norm(dim=-1).argsort(1)[:, 1 : 1 + (num_neighbors or 4)]
            edges = torch.stack([near.flatten(), torch.arange(5).repeat_interleave(near.size(1))])
            with torch.no_grad():
                pos, vel = module.model(pos, vel, charge, edges)
            torch.testing.assert_close(found.pos[step + 1, system].float(), pos)
            torch.testing.assert_close(found.vel[step + 1, system].float(), vel)


def test_an_integrator_is_rolled_out_with_its_velocities(data):
    module = NBodyModule(PairForceIntegrator(steps=20, time=0.2).eval())
    found = roll_out(model_step(module), data[:2], 2)
    batch = data[1]
    inputs = {name: batch[name] for name in ("charge", "edge_index")}
    with torch.no_grad():
        expected = module.model.rollout(batch.pos, batch.vel, 2, **inputs)
    torch.testing.assert_close(found.pos[:, 1].float(), expected)


def test_positions_alone_are_refused():
    with pytest.raises(ValueError, match=r"model: expected one that predicts velocities.*predicts y.*coarse"):
        model_step(NBodyModule(Linear()))


def test_a_change_of_energy_is_relative_to_its_terms(data):
    true = true_trajectory(data, 2)
    assert float(true.energy_drift().median(1).values.max()) < 1e-2
    drift = roll_out(free_step(data), data, 2).energy_drift()
    one, vel = data[0], data[0].vel.double()
    terms = []
    for time in (0.0, 0.4):
        pos = one.pos.double() + time * vel
        pairs = [(i, j) for i in range(5) for j in range(i)]
        terms.append([float(one.charge[i] * one.charge[j] / (pos[i] - pos[j]).norm()) for i, j in pairs])
    scale = 0.5 * float(vel.square().sum()) + sum(map(abs, terms[0]))
    assert float(drift[2, 0]) == pytest.approx(abs(sum(terms[1]) - sum(terms[0])) / scale, rel=1e-4)


def test_tables_and_plots(data):
    true = true_trajectory(data, 3)
    found = {TRUE: true, "free": roll_out(free_step(data), data, 3)}
    text = report(found)
    errors = found["free"].errors(true)[2]
    assert f"{float(errors.mean()):.2g} ({float(errors.median()):.1g})" in text
    assert text.count("| free |") == 2
    assert text.count(f"| {TRUE} |") == 1  # its error is zero
    assert "step 3 |" in text
    assert "step 5" not in text
    assert len(plot_rollouts(found).axes) == 2
    assert len(plot_paths(found).axes) == 2


def test_a_diverged_system_is_no_median(data):
    true, wrong = true_trajectory(data, 1), roll_out(free_step(data), data, 1)
    wrong.pos[1, :4] = torch.nan
    assert "nan (inf)" in report({TRUE: true, "wrong": wrong})
    wrong.pos[1, :4] = true.pos[1, :4]
    wrong.pos[1, 4:] = torch.nan
    assert "nan (0)" in report({TRUE: true, "wrong": wrong})
