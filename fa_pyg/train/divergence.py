"""Stop trainings that diverge, before weights that are not finite are validated or kept."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

__all__ = ["StopDiverged", "check_finite"]

EVERY = 32  # steps between two looks at the losses: one at each step would wait for the device


class StopDiverged(Callback):
    """Stop when a training loss or a weight is not finite: all later steps would be lost.

    With ``precision="16-mixed"``, where a step that overflows is skipped, when all of some losses are not.

    Args:
        folder: of the checkpoints.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.losses: list[Tensor] = []
        self.seen, self.is_checked = 0, True

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.seen, self.is_checked = batch_idx + 1, False
        if isinstance(outputs, Mapping) and "loss" in outputs:
            self.losses.append(outputs["loss"])
        if len(self.losses) == EVERY:
            self._check(trainer)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._check_all(trainer, pl_module)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._check_all(trainer, pl_module)

    def on_exception(self, *args: Any) -> None:
        self.losses, self.is_checked = [], True

    def _check_all(self, trainer: Trainer, module: LightningModule) -> None:
        """Check losses, then the weights: the last step can spoil them after a finite loss."""
        if self.is_checked:
            return
        self.is_checked = True
        if self.losses:
            self._check(trainer)
        learned = [(name, one) for name, one in module.named_parameters() if one.requires_grad]
        finite = [one.isfinite().all() for _, one in learned]
        if finite and not bool(torch.stack(finite).all()):
            name = learned[[bool(one) for one in finite].index(False)][0]
            raise FloatingPointError(
                f"{name}: expected finite weights, found others after step {self.seen} of epoch "
                f"{trainer.current_epoch + 1}, whose loss is finite, but not its gradient; "
                f"{_advice(trainer, module)}. {_kept(self.folder)}"
            )

    def _check(self, trainer: Trainer) -> None:
        """Check the losses since the last check, of all processes."""
        losses, self.losses = torch.stack(self.losses), []
        wrong = ~losses.isfinite()
        if str(trainer.precision) == "16-mixed":
            wrong = wrong & wrong.all()
        numbers = torch.arange(len(losses), device=losses.device)
        first = torch.where(wrong, numbers, len(losses)).min()
        first = int(trainer.strategy.reduce(first, reduce_op="min"))
        if first < len(losses):
            self._stop(trainer, losses, first)

    def _stop(self, trainer: Trainer, losses: Tensor, first: int) -> None:
        step, epoch = self.seen - len(losses) + first + 1, trainer.current_epoch + 1
        is_untrained = step == epoch == 1
        why = (
            "no step was made before it, so that the data or the model are the cause"
            if is_untrained
            else _advice(trainer, trainer.lightning_module)
        )
        value = losses[first].item()
        found = "another in one of the processes" if math.isfinite(value) else f"{value:g}"
        raise FloatingPointError(
            f"training loss: expected a finite number, found {found} at step {step} of "
            f"epoch {epoch}; {why}. {_kept(self.folder)}"
        )


def check_finite(name: str, value: float, checkpoint: str | Path) -> None:
    """Raise FloatingPointError for a figure of a finished training that is not finite.

    Args:
        name: of the figure.
        value: the figure.
        checkpoint: the weights that it is of.
    """
    if not math.isfinite(value):
        raise FloatingPointError(
            f"{name}: expected a finite number, found {value:g} for the weights in {checkpoint}; look at "
            "the data of this split, or try a lower --model.lr"
        )


def _advice(trainer: Any, module: Any) -> str:
    clip = trainer.gradient_clip_val
    rate = f"a lower --model.lr (now {getattr(module, 'lr', math.nan):g})"
    return f"try {rate} or --trainer.gradient_clip_val " + (f"below {clip:g}" if clip else "1")


def _kept(folder: Path) -> str:
    kept = [name for name in ("last.ckpt", "best.ckpt") if (folder / name).exists()]
    if not kept:
        return "No epoch had ended: nothing is kept"
    return f"The weights of before are in {folder / kept[0]}" + (f" and {kept[1]}" if kept[1:] else "")
