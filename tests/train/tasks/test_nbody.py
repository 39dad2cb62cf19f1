"""The training step: what it computes, and how the learning rate falls; and the data."""

import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch_geometric.data import Batch, Data

from fa_pyg.train import NBodyData, NBodyModule
from fa_pyg.train.resume import check_settings


class Shift(nn.Module):
    """Positions moved by one learned number."""

    def __init__(self):
        super().__init__()
        self.by = nn.Parameter(torch.tensor(0.5))

    def forward(self, pos, batch):
        return pos + self.by


def batch_of(*sizes):
    return Batch.from_data_list([Data(pos=torch.randn(n, 3), goal=torch.randn(n, 3)) for n in sizes])


def test_loss_is_the_mean_square_over_all_coordinates():
    module, data = NBodyModule(Shift(), inputs=["pos"], target="goal"), batch_of(2, 5)
    module.on_train_epoch_start()
    loss = module.training_step(data, 0)
    errors = [
        (p + 0.5 - g) ** 2
        for p, g in zip(data.pos.flatten().tolist(), data.goal.flatten().tolist(), strict=True)
    ]
    assert loss.item() == pytest.approx(sum(errors) / 21)
    loss.backward()
    assert module.model.by.grad.item() == pytest.approx(2 * (data.pos + 0.5 - data.goal).mean().item())


def test_huber_trains_on_the_huber_loss_and_reports_squares():
    module, data = NBodyModule(Shift(), inputs=["pos"], target="goal", huber=0.2), batch_of(2, 5)
    module.on_train_epoch_start()
    loss = module.training_step(data, 0)
    errors = (data.pos + 0.5 - data.goal).abs()
    expected = torch.where(errors < 0.2, errors**2 / 0.4, errors - 0.1).mean()
    assert loss.item() == pytest.approx(expected.item())
    assert module._sum.flatten().tolist() == pytest.approx([2 * (errors**2).mean().item(), 2])
    with pytest.raises(ValueError, match="huber: expected a positive number or None, found 0"):
        NBodyModule(Shift(), huber=0)


def optimizer_of(module, steps):
    module.trainer = SimpleNamespace(estimated_stepping_batches=steps, precision="32-true")
    return module.configure_optimizers()


def test_cosine_falls_from_lr_to_nothing():
    made = optimizer_of(NBodyModule(Shift(), lr=0.2, schedule="cosine"), 8)
    rates = []
    for _ in range(9):
        rates.append(made["optimizer"].param_groups[0]["lr"])
        made["optimizer"].step()
        made["lr_scheduler"]["scheduler"].step()
    assert rates == pytest.approx([0.1 * (1 + math.cos(math.pi * i / 8)) for i in range(9)])
    assert rates[0] == 0.2
    assert rates[-1] == 0


def test_without_decay_it_is_adam():
    module, data = NBodyModule(Shift(), lr=0.1, inputs=["pos"], target="goal"), batch_of(4)
    reference = nn.Parameter(torch.tensor(0.5))
    adam, ours = torch.optim.Adam([reference], 0.1), optimizer_of(module, 10)
    for _ in range(5):
        module.on_train_epoch_start()
        for optimizer, loss in (
            (ours, module.training_step(data, 0)),
            (adam, (data.pos + reference - data.goal).square().mean()),
        ):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    torch.testing.assert_close(module.model.by, reference)


@pytest.mark.parametrize("wrong", [{"lr": 0.0}, {"lr": -1.0}, {"weight_decay": -1e-3}])
def test_wrong_rates(wrong):
    with pytest.raises(ValueError, match=r"(lr|weight_decay): expected a (positive number|number >= 0)"):
        NBodyModule(Shift(), **wrong)


def test_a_schedule_needs_an_end():
    with pytest.raises(ValueError, match="schedule: expected max_epochs"):
        optimizer_of(NBodyModule(Shift(), schedule="cosine"), math.inf)


def test_few_training_systems_and_more_particles(tmp_path):
    data = NBodyData(tmp_path, num_samples=4, num_train=2, num_particles=3)
    assert [len(data.split(name)) for name in ("train", "val", "test")] == [2, 4, 4]
    assert data.split("train")[0].num_nodes == 3
    whole = NBodyData(tmp_path, num_samples=4, num_particles=3).split("train")
    torch.testing.assert_close(data.split("train")[1].y, whole[1].y)  # the first of the same stream


@pytest.mark.parametrize("wrong", [{"num_train": 0}, {"num_train": 1.5}, {"num_particles": 1}])
def test_wrong_sizes(wrong):
    with pytest.raises(ValueError, match=rf"{next(iter(wrong))}: expected"):
        NBodyData("none", **wrong)


def test_runs_from_before_these_sizes_are_resumed(tmp_path):
    (tmp_path / "config.yaml").write_text("data: {root: a, num_samples: null}")
    now = "data: {root: a, num_samples: null, num_train: %s, num_particles: 5}"
    check_settings(tmp_path, now % "null", {"data": NBodyData})
    with pytest.raises(ValueError, match=r"data\.num_train \(started with nothing, now 256\)"):
        check_settings(tmp_path, now % "256", {"data": NBodyData})


class Both(Shift):
    """Positions and velocities."""

    def forward(self, pos, vel, batch):
        return pos + self.by, 2 * vel


def moving(n):
    names = ("pos", "vel", "y", "y_vel")
    return Batch.from_data_list([Data(**{name: torch.randn(n, 3) for name in names})])


@pytest.mark.parametrize("huber", [None, 0.3])
def test_the_loss_of_several_targets_is_the_mean(huber):
    data = moving(6)
    module = NBodyModule(Both(), inputs=["pos", "vel"], target=["y", "y_vel"], huber=huber)
    module.on_train_epoch_start()
    errors = (data.pos + 0.5 - data.y).abs(), (2 * data.vel - data.y_vel).abs()
    squares = [float(one.square().mean()) for one in errors]
    losses = squares
    if huber is not None:
        losses = [float(torch.where(e < 0.3, e**2 / 0.6, e - 0.15).mean()) for e in errors]
    assert module.training_step(data, 0).item() == pytest.approx(sum(losses) / 2)
    measures = module.measures(module(data), data)
    assert [one.item() for one in measures] == pytest.approx(squares)
    assert module.names == ("mse", "y_vel_mse")


@pytest.mark.parametrize(("model", "target", "found"), [(Shift(), ["y", "y_vel"], 1), (Both(), "y", 2)])
def test_outputs_are_as_many_as_targets(model, target, found):
    module, data = NBodyModule(model, inputs=["pos", "vel"][:found], target=target), moving(3)
    predicted = module(data)
    with pytest.raises(ValueError, match=f"model: expected {3 - found} outputs, for .*, found {found}"):
        module.measures(predicted, data)


def test_neighbors_and_velocities_of_the_data(tmp_path):
    data = NBodyData(tmp_path, num_samples=2, num_particles=4, num_neighbors=2, velocities=True)
    one = data.split("test")[1]
    assert (one.num_edges, one.y_vel.shape) == (8, (4, 3))
    with pytest.raises(ValueError, match="num_neighbors: expected an integer from 1 to 3 or None, found 4"):
        NBodyData(tmp_path, num_particles=4, num_neighbors=4)
