"""One key, one stream of random numbers."""

import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from fa_pyg.train import EpochSeed
from fa_pyg.train.seeds import seed_everything


def draw():
    return random.random(), np.random.rand(), torch.rand(()).item()  # noqa: NPY002 - the global stream


@pytest.mark.parametrize("key", [(0,), (0, 0, 30), (2**40, 1, 2, 3)])
def test_a_key_repeats(key):
    seed_everything(*key)
    first = draw()
    assert draw() != first
    seed_everything(*key)
    assert draw() == first


def test_epochs_processes_and_seeds_differ():
    def first_numbers(seed, step, rank):
        EpochSeed(seed).on_train_epoch_start(SimpleNamespace(global_step=step, global_rank=rank))
        return draw()

    keys = [(seed, step, rank) for seed in (0, 1) for step in (0, 30, 60) for rank in (0, 1)]
    numbers = [first_numbers(*key) for key in keys]
    assert numbers == [first_numbers(*key) for key in keys]
    for column in zip(*numbers, strict=True):
        assert len(set(column)) == len(keys)
