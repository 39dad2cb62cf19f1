"""What every training step has in common: optimiser, schedule, and figures logged once an epoch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR


class FitModule(LightningModule):
    r"""Trains a model on batches of graphs, and reports means over graphs.

    A subclass has :meth:`forward`, :meth:`measures` and, where another loss is trained on, :meth:`loss`. The
    optimiser is AdamW, which is Adam where ``weight_decay`` is 0. Means are over the samples of all
    processes, also where the last batch is smaller. The weights of the best run are those of the lowest
    ``val/<monitor>``.

    Args:
        model: any module.
        lr: learning rate at the first step.
        weight_decay: decoupled weight decay.
        schedule: ``"cosine"`` lets the learning rate fall to 0 over the ``max_epochs`` of the trainer,
            whatever ``max_time`` may cut off; None keeps it constant.

    Raises ValueError for a negative ``lr`` or ``weight_decay``, and for a cosine schedule of unknown length.
    """

    names: ClassVar[tuple[str, ...]]  # of the measures
    monitor: ClassVar[str]

    def __init__(
        self,
        model: nn.Module,
        lr: float = 1e-3,
        weight_decay: float = 0.0,
        schedule: Literal["cosine"] | None = None,
    ) -> None:
        super().__init__()
        if not (0 < lr < math.inf and 0 <= weight_decay < math.inf):
            raise ValueError(
                f"lr and weight_decay are {lr} and {weight_decay}, expected lr > 0, weight_decay >= 0"
            )
        self.model = model
        self.lr, self.weight_decay, self.schedule = lr, weight_decay, schedule

    def measures(self, predicted: Tensor, batch: Any) -> tuple[Tensor, ...]:
        """The figures of ``names``, each a mean over the graphs of a batch."""
        raise NotImplementedError

    def counts(self, batch: Any) -> tuple[int, ...]:
        """How many graphs of a batch each measure is the mean of; all unless said otherwise."""
        return (batch.num_graphs,) * len(self.names)

    def loss(self, predicted: Tensor, batch: Any, measures: tuple[Tensor, ...]) -> Tensor:
        """What is trained on; the first measure unless said otherwise."""
        return measures[0]

    def taken(self, batch: Any, names: Sequence[str], option: str) -> dict[str, Any]:
        """Attributes of a batch by their names, which ``option`` gave."""
        if missing := [name for name in names if name not in batch]:
            raise ValueError(f"{option}: expected names of {sorted(batch.keys())}, found {missing}")
        return {name: batch[name] for name in names}

    def on_train_epoch_start(self) -> None:
        self._sum = torch.zeros(2, len(self.names), device=self.device)

    def training_step(self, batch, batch_idx: int) -> Tensor:
        predicted = self(batch)
        measures = self.measures(predicted, batch)
        seen = torch.stack([one.detach() for one in measures])
        # Summed here and logged once an epoch: ``log`` on every step would cost a tenth of a step.
        counts = seen.new_tensor(self.counts(batch))
        self._sum += torch.stack([seen * counts, counts])
        return self.loss(predicted, batch, measures)

    def on_train_epoch_end(self) -> None:
        sums, counts = self.trainer.strategy.reduce(self._sum, reduce_op="sum")
        means = {f"train/{name}": one for name, one in zip(self.names, sums / counts, strict=True)}
        for name, mean in means.items():
            self.log(name, mean, logger=False, sync_dist=self.trainer.world_size > 1)
        for logger in self.loggers:  # at once: before the checkpoint from which this epoch is not repeated
            row = {name: mean.item() for name, mean in means.items()}
            logger.log_metrics(
                {"epoch": self.current_epoch, **row, "lr": self._last_lr()}, self.global_step - 1
            )
            logger.save()

    def validation_step(self, batch, batch_idx: int) -> None:
        self._log("val", batch, self(batch))

    def test_step(self, batch, batch_idx: int) -> None:
        self._log("test", batch, self(batch))

    def _log(self, split: str, batch: Any, predicted: Any) -> None:
        distributed, measures = self.trainer.world_size > 1, self.measures(predicted, batch)
        for name, value, count in zip(self.names, measures, self.counts(batch), strict=True):
            self.log(f"{split}/{name}", value, batch_size=count, sync_dist=distributed)

    def _last_lr(self) -> float:
        return self.optimizers().param_groups[0]["lr"]

    def configure_optimizers(self):
        # Fused: a loop over small tensors would take longer than their update. But Lightning cannot clip what
        # a fused optimiser unscales by itself.
        fused = "mixed" not in self.trainer.precision
        optimizer = torch.optim.AdamW(self.parameters(), self.lr, weight_decay=self.weight_decay, fused=fused)
        if self.schedule is None:
            return optimizer
        steps = self.trainer.estimated_stepping_batches
        if math.isinf(steps):
            raise ValueError("schedule is 'cosine' and max_epochs is -1, expected a number of epochs")
        scheduler = LambdaLR(optimizer, lambda step: 0.5 * (1 + math.cos(math.pi * min(step / steps, 1.0))))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
