"""Progress bar for the whole training, not one per epoch."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ProgressBar

from fa_pyg.progress import bar as show

__all__ = ["FitProgressBar"]


class FitProgressBar(ProgressBar):
    """Show the steps done and left, the time left, and the last training and validation errors.

    Epochs on small data take less than a second: a bar per epoch would only flicker. In a file or a pipe it
    is a line every 30 seconds.
    """

    def __init__(self) -> None:
        super().__init__()
        self.enabled = True
        self._bar: Any = None

    def disable(self) -> None:
        self.enabled = False

    def enable(self) -> None:
        self.enabled = True

    def on_train_start(self, trainer: Trainer, *args: Any) -> None:
        epochs = trainer.max_epochs
        self._bar = show(
            total=None if epochs is None or epochs < 0 else epochs * trainer.num_training_batches,
            initial=trainer.global_step,
            desc="training",
            unit="step",
            progress=self.enabled,
        )

    def on_train_batch_end(self, *args: Any) -> None:
        self._bar.update()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        seen, monitor = trainer.callback_metrics, pl_module.monitor
        keys = {name: f"{name}/{monitor}" for name in ("train", "val")}
        errors = {name: f"{seen[key]:.4f}" for name, key in keys.items() if key in seen}
        self._bar.set_postfix({"epoch": trainer.current_epoch + 1, **errors}, refresh=False)

    def on_train_end(self, *args: Any) -> None:
        self._bar.close()

    def on_exception(self, *args: Any) -> None:
        if self._bar is not None:
            self._bar.close()
