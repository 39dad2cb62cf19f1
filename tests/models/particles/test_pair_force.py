"""Integrator with a learned pair force: with the true law it is the benchmark's generator."""

import copy

import pytest
import torch

from fa_pyg.datasets.nbody import simulate
from fa_pyg.models import PairForceIntegrator, TwoBody
from fa_pyg.models.particles.pair_force import BOOST, RadialForce
from fa_pyg.testing import assert_equivariant, equivariance_error

REPS = {"pos": "point", "vel": "vector"}


def coulomb(**options):
    """The model with g = 1 / r^3, in evaluation mode."""
    model = PairForceIntegrator(**options).double().eval()
    model.force.power.data = torch.tensor([0.0, -3.0], dtype=torch.float64) / BOOST
    return model


def kicked(model, inputs):
    """Velocities half a step ahead of positions and not behind."""
    h = model.time / model.steps
    forward = copy.copy(model)
    forward.time, forward.steps = h, 1
    return forward(**inputs, return_velocity=True)[1]


@pytest.mark.parametrize("training", [False, True])
def test_equivariant(training, charged):
    model = coulomb(steps=50, train_steps=20).train(training)
    assert_equivariant(model, charged(), "E(3)", REPS, "point", tol=1e-9)


def test_limited_components_break_rotations_but_not_those_of_the_axes(two):
    inputs = two(0.05)
    model = coulomb(steps=50, time=0.05, limit="component")
    assert equivariance_error(model, inputs, "E(3)", REPS, "point")["proper"] > 1e-2
    assert_equivariant(model, inputs, "T(3):Oh", REPS, "point", tol=1e-9)
    model.limit = "pair"
    assert_equivariant(model, inputs, "E(3)", REPS, "point", tol=1e-9)


@pytest.mark.parametrize("training", [False, True])
def test_momentum_is_conserved(training, charged):
    model, inputs = coulomb(steps=50).train(training), charged([6])
    vel = model(**inputs, return_velocity=True)[1]
    assert (vel - inputs["vel"]).abs().max() > 0.05
    torch.testing.assert_close(vel.sum(0), inputs["vel"].sum(0))


def test_limited_components_do_not_conserve_momentum(charged):
    inputs = charged([5])
    inputs["charge"] = inputs["charge"].abs()
    model = coulomb(steps=10, time=0.1, max_force=0.5, limit="component")
    change = (model(**inputs, return_velocity=True)[1] - inputs["vel"]).sum(0)
    assert change.abs().max() > 1e-3


@pytest.mark.parametrize("distance", [0.15, 0.8])
def test_equals_the_generator(distance, charged, two):
    """Also in a close encounter, where its limit acts."""
    inputs = charged([5]) if distance > 0.5 else two(distance)
    arrays = [inputs[key][None].numpy() for key in ("charge", "pos", "vel")]
    pos, vel = (torch.from_numpy(one[0]) for one in simulate(*arrays, (0, 1)))
    inputs.update(pos=pos[0], vel=vel[0])
    model = coulomb(time=0.1, steps=100, limit="component")
    found = model(**inputs, return_velocity=True)
    torch.testing.assert_close(torch.stack(found), torch.stack([pos[1], vel[1]]), rtol=0, atol=1e-9)
    model.max_force = None
    assert ((model(**inputs) - pos[1]).abs().max() > 1e-3) == (distance < 0.5)


def test_motion_can_be_reversed(charged):
    model, inputs = coulomb(steps=200), charged()
    pos, vel = model(**inputs, return_velocity=True)
    end = {**inputs, "pos": pos, "vel": vel}
    assert (pos - inputs["pos"]).abs().max() > 0.3
    back = model(**{**end, "vel": -kicked(model, end)})
    torch.testing.assert_close(back, inputs["pos"], rtol=0, atol=1e-9)
    # Velocities half a step on the wrong side are another motion.
    assert (model(**{**end, "vel": -vel}) - inputs["pos"]).abs().max() > 1e-5


def test_energy_error_is_of_second_order(charged):
    inputs = charged([5])
    inputs["charge"] = inputs["charge"].abs()

    def energy(model, inputs):
        vel = (inputs["vel"] + kicked(model, inputs)) / 2
        i, j = inputs["edge_index"]
        pairs = (
            0.5
            * inputs["charge"][i]
            * inputs["charge"][j]
            / (inputs["pos"][i] - inputs["pos"][j]).norm(dim=1, keepdim=True)
        )
        return 0.5 * vel.square().sum() + pairs.sum()

    errors = []
    for steps in (50, 100):
        model = coulomb(steps=steps)
        pos, vel = model(**inputs, return_velocity=True)
        start = energy(model, inputs)
        errors.append(abs(energy(model, {**inputs, "pos": pos, "vel": vel}) / start - 1))
    assert errors[0] < 1e-3
    assert 3 < errors[0] / errors[1] < 5


def test_adaptive_steps_agree_with_equal_ones(charged):
    inputs, model = charged(), coulomb(steps=1000)
    inputs["charge"] = inputs["charge"].abs()
    exact = torch.cat(model(**inputs, return_velocity=True))
    errors = []
    for number, angle in ((50, 0.06), (400, 0.0075)):
        model.train_steps, model.step_angle = number, angle
        found = torch.cat(model.train()(**inputs, return_velocity=True))
        errors.append((found - exact).abs().max().item())
    assert errors[1] < 1e-4
    assert errors[0] > 10 * errors[1]


def test_adaptive_steps_resolve_an_encounter(two):
    """Equal steps would have to be a hundred times shorter."""
    inputs, model = two(0.5, speed=0.2), coulomb(time=0.3, steps=300, max_force=None)
    exact = TwoBody(time=0.3)(**inputs)
    equal = (model(**inputs) - exact).abs().max()
    model.steps, model.train_steps = 10**9, 400  # velocities are then hardly behind
    assert 1e-2 < equal > 10 * (model.train()(**inputs) - exact).abs().max()


def gradient(model, inputs):
    model.zero_grad()
    model(**inputs).square().sum().backward()
    return model.force.power.grad.clone()


def test_gradients_of_fast_graphs_are_scaled_down_and_predictions_are_not(two):
    near, far = two(0.1, speed=0.1), two(2.0)
    both = {key: torch.cat([near[key], far[key]]) for key in ("pos", "vel", "charge")}
    both["edge_index"] = torch.cat([near["edge_index"], 2 + near["edge_index"]], dim=1)
    both["batch"] = torch.tensor([0, 0, 1, 1])
    model, free = (coulomb(max_rate=rate).train() for rate in (10.0, 1e9))
    assert torch.equal(model(**both), free(**both))
    torch.testing.assert_close(gradient(model, both), gradient(free, far), rtol=0.02, atol=0)
    assert gradient(free, near).norm() > 10 * gradient(free, far).norm()


@pytest.mark.parametrize("training", [False, True])
def test_a_batch_equals_single_graphs(training, charged, single):
    model, inputs = coulomb(steps=50, train_steps=30).train(training), charged()
    together = model(**inputs)
    alone = [model(**single(inputs, graph)) for graph in range(4)]
    torch.testing.assert_close(together, torch.cat(alone))
    renamed = {**inputs, "batch": torch.tensor([9, 2, 70, 4])[inputs["batch"]]}
    torch.testing.assert_close(model(**renamed), together)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("distance", [0.0, 1e-12, 1e-5, 1e-3])
def test_encounters_are_finite(training, distance, two):
    for limit in (100.0, None):
        model = PairForceIntegrator(steps=100, max_force=limit).train(training)
        inputs = two(distance, torch.float32)
        pos = inputs["pos"].requires_grad_()
        out = model(**inputs)
        out.sum().backward()
        assert out.isfinite().all()
        assert pos.grad.isfinite().all()


@pytest.mark.parametrize("training", [False, True])
def test_neutral_and_lonely_particles_fly_freely(training, charged):
    model, inputs = coulomb(steps=10, time=2.0).train(training), charged()
    inputs["charge"] = torch.zeros_like(inputs["charge"])
    free = inputs["pos"] + 2 * inputs["vel"]
    torch.testing.assert_close(model(**inputs), free)
    inputs.update(charge=inputs["charge"] + 1, edge_index=torch.zeros(2, 0, dtype=torch.long))
    torch.testing.assert_close(model(**inputs), free)


def test_rollout_continues_where_a_call_ends(charged):
    inputs = charged()
    path = coulomb(steps=50).rollout(**inputs, times=2)
    long = coulomb(steps=100, time=2.0)(**inputs)
    assert torch.equal(path[0], inputs["pos"])
    torch.testing.assert_close(path[2], long, rtol=0, atol=1e-12)
    with pytest.raises(ValueError, match="times: expected"):
        coulomb().rollout(**inputs, times=-1)


def test_the_force_starts_constant_and_is_a_power_law_of_any_exponent():
    force, r = RadialForce().double(), torch.logspace(-3, 2, 20, dtype=torch.float64)[:, None]
    torch.testing.assert_close(force(r**2) * r, torch.ones_like(r), rtol=1e-6, atol=0)
    force.power.data = torch.tensor([0.5, -2.5], dtype=torch.float64) / BOOST
    torch.testing.assert_close(force(r**2), torch.e**0.5 * r**-2.5, rtol=1e-6, atol=0)
    force.correction.weight.data.normal_()
    assert (force(r**2) / r**-2.5).log().std() > 0.01


def test_it_learns_the_law(charged):
    inputs, model = charged([2] * 60), PairForceIntegrator(train_steps=15, step_angle=0.1).double()
    with torch.no_grad():
        goal = coulomb(steps=300)(**inputs)
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 120)
    for _ in range(120):
        optimizer.zero_grad()
        torch.nn.functional.smooth_l1_loss(model(**inputs), goal, beta=0.02).backward()
        optimizer.step()
        schedule.step()
    r = torch.linspace(0.7, 2.0, 10, dtype=torch.float64)[:, None]
    assert ((model.force(r**2) * r**3).log().abs() < 0.05).all()


def test_gradients_are_finite_where_a_charge_is_zero():
    model = PairForceIntegrator(steps=5).double().eval()
    edge_index = (~torch.eye(4, dtype=torch.bool)).nonzero().t()
    charge = torch.tensor([1.0, 0.0, 1.0, -1.0], dtype=torch.float64).unsqueeze(1)
    pos, vel = torch.randn(2, 4, 3, dtype=torch.float64)
    out = model(pos.requires_grad_(), vel, charge, edge_index)
    gradients = torch.autograd.grad(out.square().sum(), [pos, *model.parameters()])
    assert all(one.isfinite().all() for one in gradients)
    assert gradients[0].any()
    assert torch.allclose(out[1], pos[1] + vel[1], rtol=0, atol=1e-12)
