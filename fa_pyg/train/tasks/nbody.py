"""The training step of every model that maps a batch of graphs to one vector or position per node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn
from torch.nn.functional import smooth_l1_loss

from fa_pyg.train.fit import FitModule


class NBodyModule(FitModule):
    r"""Regression of one vector or position per node, as in the n-body benchmark of "E(n) Equivariant Graph
    Neural Networks" (Satorras et al. 2021).

    .. math:: L = \frac{1}{3N} \sum_i |\hat y_i - y_i|^2

    which validation and test always report; training may use a loss in which outliers (close encounters,
    which are chaotic) weigh less.

    Args:
        model: called with the attributes of the batch that ``inputs`` names, as keywords, and ``batch=``;
            returns ``[N, 3]``.
        lr, weight_decay, schedule: as in :class:`~fa_pyg.train.FitModule`.
        huber: train on the Huber loss, quadratic for errors of a coordinate below this and linear above,
            instead of on squares (``smooth_l1_loss(beta=huber)``).
        inputs: names of the attributes to hand to the model.
        target: name of the attribute to predict.

    Raises ValueError for a negative ``huber``, and what :class:`~fa_pyg.train.FitModule` raises.
    """

    names, monitor = ("mse",), "mse"

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
        super().__init__(model, lr, weight_decay, schedule)
        if huber is not None and huber <= 0:
            raise ValueError(f"huber is {huber}, expected a number > 0 or None")
        self.save_hyperparameters(ignore="model")
        self.inputs, self.target, self.huber = tuple(inputs), target, huber

    def forward(self, data) -> Tensor:
        """The model's prediction [N, 3] for a PyG Data or Batch."""
        return self.model(**self.taken(data, self.inputs, "inputs"), batch=data.batch)

    def measures(self, predicted: Tensor, batch) -> tuple[Tensor, ...]:
        target = self.taken(batch, [self.target], "target")[self.target]
        return (nn.functional.mse_loss(predicted, target),)

    def loss(self, predicted: Tensor, batch, measures: tuple[Tensor, ...]) -> Tensor:
        if self.huber is None:
            return measures[0]
        return smooth_l1_loss(predicted, batch[self.target], beta=self.huber)
