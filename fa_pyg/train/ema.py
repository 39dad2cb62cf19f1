"""Moving average of the weights, which is evaluated and kept."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from fa_pyg import checks

__all__ = ["EMA"]

LISTS: Any = torch  # its stubs do not export functions of lists of tensors


class EMA(Callback):
    r"""Exponential moving average of the weights.

    After "Acceleration of Stochastic Approximation by Averaging" (Polyak and Juditsky 1992),

    .. math:: \bar w \leftarrow \bar w + (1 - \beta_n)(w - \bar w), \qquad
              \beta_n = \min\left(\beta, \frac{1 + n}{10 + n}\right)

    after each optimizer step n; the second form forgets the random start of a short run. Validation, the
    ``state_dict`` of every checkpoint and the model after ``fit`` use the average; training continues from
    the raw weights, which a checkpoint keeps under ``ema``: a resumed run equals an uninterrupted one.
    Floating-point buffers (running statistics) are averaged too.

    Args:
        decay: beta, in [0, 1).

    Raises:
        ValueError: for another decay.
    """

    def __init__(self, decay: float = 0.999) -> None:
        self.decay = checks.number("decay", decay, 0, below=1)
        self.updates = 0
        self._step = 0
        self._names: list[str] = []
        self._weights: list[Tensor] = []  # the storage of the model: always its current weights
        self._average: list[Tensor] = []
        self._restored: dict[str, Tensor] = {}
        self._swapped = False

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        state: dict[str, Tensor] = pl_module.state_dict()
        state = {name: value for name, value in state.items() if value.is_floating_point()}
        self._names, self._weights = list(state), list(state.values())
        self._average = [
            self._restored.get(name, value).to(value, copy=True) for name, value in state.items()
        ]
        self._restored = {}
        self._step = trainer.global_step

    def on_train_batch_end(self, trainer: Trainer, *args: Any) -> None:
        if trainer.global_step == self._step:  # gradients are being accumulated
            return
        self._step = trainer.global_step
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        LISTS._foreach_lerp_(self._average, self._weights, 1 - decay)

    def on_validation_epoch_start(self, *args: Any) -> None:
        self._swap()

    def on_validation_epoch_end(self, *args: Any) -> None:
        self._swap()

    def on_exception(self, *args: Any) -> None:
        if self._swapped:
            self._swap()

    def on_fit_end(self, *args: Any) -> None:
        LISTS._foreach_copy_(self._weights, self._average)
        self._names, self._weights, self._average = [], [], []

    def _swap(self) -> None:
        if not self._average:  # validation outside fit
            return
        raw = [value.clone() for value in self._weights]
        LISTS._foreach_copy_(self._weights, self._average)
        LISTS._foreach_copy_(self._average, raw)
        self._swapped = not self._swapped

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if not self._average:  # after fit: the model has the average already
            return
        raw = checkpoint["state_dict"]
        checkpoint["ema"] = {"updates": self.updates, "weights": raw}
        checkpoint["state_dict"] = {**raw, **dict(zip(self._names, self._average, strict=True))}

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if trainer.state.fn != TrainerFn.FITTING or "ema" not in checkpoint:
            return  # an evaluation uses the average, which the state_dict has
        self.updates = checkpoint["ema"]["updates"]
        self._restored = checkpoint["state_dict"]
        pl_module.load_state_dict(checkpoint["ema"]["weights"])
