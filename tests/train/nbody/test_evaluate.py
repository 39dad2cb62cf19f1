"""Errors of systems, equivariance, and times of forward passes."""

import time

import pytest
import torch
from torch import nn
from torch_geometric.data import Batch

from fa_pyg.datasets import NBody
from fa_pyg.models import Linear
from fa_pyg.train import NBodyModule
from fa_pyg.train.nbody.evaluate import (
    equivariance,
    forward_times,
    median_ms,
    median_ratio,
    spread,
    system_errors,
    worst_share,
)


@pytest.fixture
def data(data_root):
    return NBody(data_root, "test", 20)


def test_errors_of_systems_one_by_one(data):
    module = NBodyModule(Linear())
    found = system_errors(module, data, batch_size=8)
    with torch.no_grad():
        slow = [(one.pos + module.model(one.pos, one.vel) - one.pos - one.y).square().mean() for one in data]
    torch.testing.assert_close(found, torch.stack(slow))
    assert (found.shape, found.dtype) == ((20,), torch.float32)


def test_shares_of_the_worst():
    errors = torch.tensor([1.0, 60.0, 5.0, 34.0])
    assert worst_share(errors, 0.25) == pytest.approx(0.6)
    assert worst_share(errors, 0.5) == pytest.approx(0.94)
    assert worst_share(errors, 1e-3) == pytest.approx(0.6)  # one at least
    assert worst_share(errors, 1.0) == 1
    assert worst_share(torch.zeros(3), 0.5) == 0
    hundred = torch.cat([torch.full((5,), 4.0), torch.full((95,), 1.0)])
    assert spread(hundred) == {"median_mse": 1.0, "worst_1": 4 / 115, "worst_5": 20 / 115}


class Fixed(nn.Module):
    """Adds a fixed vector: not equivariant under rotations."""

    def forward(self, pos, vel, batch, **others):
        return pos + 0.3 * vel + torch.tensor([0.1, 0.0, 0.0], dtype=pos.dtype)


def test_equivariance_of_a_model_and_of_one_that_is_not(data):
    assert equivariance(NBodyModule(Linear()), data) < 1e-5
    assert equivariance(NBodyModule(Fixed()), data) > 1e-3


class Slow(Linear):
    def forward(self, **inputs):
        time.sleep(0.004)
        return super().forward(**inputs)


def test_times_are_ratios_within_rounds(data):
    modules = {"quick": NBodyModule(Linear()), "slow": NBodyModule(Slow())}
    times = forward_times(modules, [Batch.from_data_list(data[:4])], rounds=5)
    assert {name: len(one) for name, one in times.items()} == {"quick": 5, "slow": 5}
    assert median_ms(times["slow"]) >= 4
    assert median_ratio(times["slow"], times["quick"]) > 2
    assert median_ratio([1.0, 20.0, 3.0], [1.0, 10.0, 1.0]) == 2


def test_rounds_of_timing_take_the_batches_in_turn():
    seen = []
    forward_times({"model": seen.append}, ["a", "b", "c"], rounds=4)
    assert seen == list("abcabca")  # three rounds to warm up
