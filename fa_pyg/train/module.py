"""The training step of every model that maps a batch of graphs to one vector or position per node."""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.nn.functional import smooth_l1_loss
from torch.optim.lr_scheduler import LambdaLR


class NBodyModule(LightningModule):
    r"""Regression of one vector or position per node, as in the n-body benchmark of "E(n) Equivariant Graph
    Neural Networks" (Satorras et al. 2021).

    .. math:: L = \frac{1}{3N} \sum_i |\hat y_i - y_i|^2

    which validation and test always report; training may use a loss in which outliers (close encounters,
    which are chaotic) weigh less.

    The optimiser is AdamW, which is Adam where ``weight_decay`` is 0. Means are over the samples of all
    processes, also where the last batch is smaller.

    Args:
        model: called with the attributes of the batch that ``inputs`` names, as keywords, and ``batch=``;
            returns ``[N, 3]``.
        lr: learning rate at the first step.
        weight_decay: decoupled weight decay.
        schedule: ``"cosine"`` lets the learning rate fall to 0 over the ``max_epochs`` of the trainer,
            whatever ``max_time`` may cut off; None keeps it constant.
        huber: train on the Huber loss, quadratic for errors of a coordinate below this and linear above,
            instead of on squares (``smooth_l1_loss(beta=huber)``).
        inputs: names of the attributes to hand to the model.
        target: name of the attribute to predict.

    Raises ValueError for a negative ``lr``, ``weight_decay`` or ``huber``, and for a cosine schedule of
    unknown length.
    """

    def __init__(
        self,
        model: nn.Module,
        lr: float = 1e-3,
        weight_decay: float = 0.0,
        schedule: Literal["cosine"] | None = None,
        huber: float | None = None,
        inputs: Sequence[str] = ("pos", "vel", "charge", "edge_index", "edge_attr"),
        target: str = "y",
    ) -> None:
        super().__init__()
        if lr <= 0 or weight_decay < 0:
            raise ValueError(
                f"lr and weight_decay are {lr} and {weight_decay}, expected lr > 0, weight_decay >= 0"
            )
        if huber is not None and huber <= 0:
            raise ValueError(f"huber is {huber}, expected a number > 0 or None")
        self.save_hyperparameters(ignore="model")
        self.model = model
        self.inputs, self.target = tuple(inputs), target
        self.lr, self.weight_decay, self.schedule, self.huber = lr, weight_decay, schedule, huber

    def forward(self, data) -> Tensor:
        """The model's prediction [N, 3] for a PyG Data or Batch."""
        return self.model(**{name: data[name] for name in self.inputs}, batch=data.batch)

    def on_train_epoch_start(self) -> None:
        self._sum = torch.zeros(2, device=self.device)

    def training_step(self, batch, batch_idx: int) -> Tensor:
        predicted, target = self(batch), batch[self.target]
        squares = nn.functional.mse_loss(predicted, target)
        loss = squares if self.huber is None else smooth_l1_loss(predicted, target, beta=self.huber)
        # Summed here and logged once an epoch: ``log`` on every step would cost a tenth of a step.
        self._sum += torch.stack([squares.detach(), torch.ones_like(squares)]) * batch.num_graphs
        return loss

    def on_train_epoch_end(self) -> None:
        squares, graphs = self.trainer.strategy.reduce(self._sum, reduce_op="sum")
        self.log("train/mse", squares / graphs, logger=False, sync_dist=self.trainer.world_size > 1)
        for logger in self.loggers:  # at once: before the checkpoint from which this epoch is not repeated
            row = {"epoch": self.current_epoch, "train/mse": (squares / graphs).item(), "lr": self._last_lr()}
            logger.log_metrics(row, self.global_step - 1)
            logger.save()

    def validation_step(self, batch, batch_idx: int) -> None:
        self._log("val/mse", batch)

    def test_step(self, batch, batch_idx: int) -> None:
        self._log("test/mse", batch)

    def _log(self, name: str, batch) -> None:
        distributed = self.trainer.world_size > 1
        self.log(name, self._mse(batch), batch_size=batch.num_graphs, sync_dist=distributed)

    def _last_lr(self) -> float:
        return self.optimizers().param_groups[0]["lr"]

    def _mse(self, batch) -> Tensor:
        return nn.functional.mse_loss(self(batch), batch[self.target])

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
