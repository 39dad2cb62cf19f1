"""Check of the values of command line options, before anything is built."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import Any

import torch

__all__ = ["check_options", "check_run"]

# The least value of each option, and a smaller one with a special meaning, if there is one.
LEAST: dict[str, tuple[float, float | None]] = {
    "trainer.num_nodes": (1, None),
    "trainer.max_epochs": (0, -1),  # 0: a model without learning, which is built and evaluated, not trained
    "trainer.min_epochs": (0, None),
    "trainer.max_steps": (1, -1),
    "trainer.min_steps": (0, None),
    "trainer.check_val_every_n_epoch": (1, None),
    "trainer.accumulate_grad_batches": (1, None),
    "trainer.gradient_clip_val": (0, None),
    "trainer.num_sanity_val_steps": (0, -1),
    "trainer.log_every_n_steps": (1, 0),
    "trainer.reload_dataloaders_every_n_epochs": (0, None),
    "trainer.limit_train_batches": (0, None),
    "trainer.limit_val_batches": (0, None),
    "trainer.limit_test_batches": (0, None),
    "trainer.overfit_batches": (0, None),
    "data.batch_size": (1, None),
    "data.eval_batch_size": (1, None),
    "data.num_workers": (0, None),
}
ALIASES = {"32": "32-true", "64": "64-true", "16": "16-mixed", "bf16": "bf16-mixed", "None": "32-true"}


def check_options(config: Any, precisions: Sequence[str]) -> None:
    """Refuse values that are out of range, or that name something this machine does not have.

    Args:
        config: the settings, ``config["trainer.devices"]`` by their dotted names.
        precisions: in which these models can be trained.

    Raises:
        ValueError: naming the options.
    """
    if faults := [*_bounds(config), *_machine(config), *_others(config, precisions)]:
        raise ValueError("; ".join(faults))


def check_run(config: Any) -> None:
    """Refuse settings with which nothing would be trained, validated or tested.

    Raises:
        ValueError: naming the option.
    """
    for name in ("limit_train_batches", "limit_val_batches", "limit_test_batches"):
        if config.get(f"trainer.{name}") == 0:
            raise ValueError(f"--trainer.{name}: expected more than 0, found 0")
    if config.get("trainer.max_epochs") == 0:
        raise ValueError("--trainer.max_epochs: expected 1 or more, or -1, found 0: nothing would be trained")
    if config.get("trainer.fast_dev_run"):
        raise ValueError("--trainer.fast_dev_run: expected false, as it keeps no results, found another")


def _bounds(config: Any) -> Iterator[str]:
    for name, (least, other) in LEAST.items():
        value = config.get(name)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number and value != other and not (least <= value < math.inf):
            instead = "" if other is None else f", or {other}"
            yield f"--{name}: expected {least} or more{instead}, found {value}"


def _machine(config: Any) -> Iterator[str]:
    """Yield errors of devices that do not exist, and of more processes than cores."""
    accelerator, devices = config.get("trainer.accelerator"), config.get("trainer.devices")
    if accelerator in ("cuda", "gpu") and not (torch.cuda.is_available() or _has_mps(accelerator)):
        yield f"--trainer.accelerator: expected an accelerator of this machine (cpu), found {accelerator!r}"
    count = int(devices) if str(devices).lstrip("-").isdecimal() else devices
    if isinstance(count, int) and count != -1 and not 1 <= count <= max(_cores(), torch.cuda.device_count()):
        yield f"--trainer.devices: expected 1 or more, and no more than there are, found {devices}"


def _has_mps(accelerator: str) -> bool:
    return accelerator == "gpu" and torch.backends.mps.is_available()


def _cores() -> int:
    return os.cpu_count() or 1


def _others(config: Any, precisions: Sequence[str]) -> Iterator[str]:
    found = str(config.get("trainer.precision"))
    if ALIASES.get(found, found) not in precisions:
        yield f"--trainer.precision: expected one of {', '.join(precisions)}, found {found}"
    if config.get("trainer.val_check_interval") == 0:
        yield "--trainer.val_check_interval: expected more than 0, found 0"
    if not 0 <= (seed := config.get("seed_everything")) < 2**32:
        yield f"--seed_everything: expected a number from 0 to {2**32 - 1}, found {seed}"
    name = PurePath(config.get("name"))
    if name.is_absolute() or not name.parts or ".." in name.parts or not str(name).isprintable():
        yield f"--name: expected the name of a folder below default_root_dir, found {str(name)!r}"
