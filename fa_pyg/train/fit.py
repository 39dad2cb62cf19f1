"""Base of the training steps: optimizer, schedule, and figures logged once an epoch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from fa_pyg import checks

__all__ = ["FitModule"]


class FitModule(LightningModule):
    r"""Train a model on batches of graphs, and report means over graphs.

    A subclass has ``forward``, :meth:`measures` and, if it trains on another loss, :meth:`loss`. The
    optimizer is AdamW, which is Adam if ``weight_decay`` is 0. Means are over the samples of all processes,
    also if the last batch is smaller. The best weights are those of the lowest ``val/<monitor>``.

    Args:
        model: any module.
        lr: learning rate at the first step.
        weight_decay: decoupled weight decay.
        schedule: ``"cosine"`` decays the learning rate to 0 over the ``max_epochs`` of the trainer, whatever
            ``max_time`` cuts off; None keeps it constant.

    Raises:
        ValueError: for a learning rate that is not positive, a negative ``weight_decay``, and a cosine
            schedule of unknown length.
    """

    names: tuple[str, ...]  # of the measures
    monitor: ClassVar[str]

    def __init__(
        self,
        model: nn.Module,
        lr: float = 1e-3,
        weight_decay: float = 0.0,
        schedule: Literal["cosine"] | None = None,
    ) -> None:
        super().__init__()
        self.model, self.schedule = model, schedule
        self.lr = checks.number("lr", lr, above=0)
        self.weight_decay = checks.number("weight_decay", weight_decay, least=0)

    def measures(self, predicted: Tensor, batch: Any) -> tuple[Tensor, ...]:
        """Return the figures in ``names``, which are means over the graphs of a batch."""
        raise NotImplementedError

    def counts(self, batch: Any) -> tuple[int, ...]:
        """Return the number of graphs of a batch that each measure is the mean of; by default all."""
        return (batch.num_graphs,) * len(self.names)

    def loss(self, predicted: Tensor, batch: Any, measures: tuple[Tensor, ...]) -> Tensor:
        """Return the training loss; by default the first measure."""
        return measures[0]

    def attributes(self, batch: Any, names: Sequence[str], option: str) -> dict[str, Any]:
        """Return attributes of a batch by name; ``option`` is the argument that names them."""
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
        optimizer: Any = self.optimizers()  # a single one
        return optimizer.param_groups[0]["lr"]

    def configure_optimizers(self):
        # Fused: a loop over small tensors would take longer than their update. But Lightning cannot clip
        # gradients that a fused optimizer unscales.
        fused = "mixed" not in self.trainer.precision
        optimizer = torch.optim.AdamW(self.parameters(), self.lr, weight_decay=self.weight_decay, fused=fused)
        if self.schedule is None:
            return optimizer
        steps = self.trainer.estimated_stepping_batches
        if math.isinf(steps):
            raise ValueError("schedule: expected max_epochs for 'cosine', found -1")
        scheduler = LambdaLR(optimizer, lambda step: 0.5 * (1 + math.cos(math.pi * min(step / steps, 1.0))))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}
