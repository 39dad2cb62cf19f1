"""Seeds of the random numbers, such that a resumed run draws the same ones."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, Trainer

__all__ = ["EpochSeed", "seed_everything"]


def seed_everything(*key: int) -> None:
    """Seed Python, NumPy and torch (all devices) from integers; similar keys give unrelated streams."""
    seed = int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0])
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - for transforms that draw from the global stream
    torch.manual_seed(seed)


class EpochSeed(Callback):
    """Make the random numbers of an epoch (frames, dropout) a function of seed, step and process.

    Checkpoints need no generator states: a run resumed from the end of an epoch draws the numbers of the
    uninterrupted run, on any number of processes. Evaluations draw from separate streams.

    Args:
        seed: any integer >= 0.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def on_train_epoch_start(self, trainer: Trainer, *args: Any) -> None:
        seed_everything(self.seed, 0, trainer.global_step, trainer.global_rank)

    def on_validation_epoch_start(self, trainer: Trainer, *args: Any) -> None:
        seed_everything(self.seed, 1, trainer.global_step, trainer.global_rank)

    def on_test_epoch_start(self, trainer: Trainer, *args: Any) -> None:
        seed_everything(self.seed, 2, trainer.global_rank)
