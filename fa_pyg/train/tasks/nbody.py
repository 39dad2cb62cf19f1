"""Training on the n-body benchmark: step, data and command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal

from torch import Tensor, nn
from torch.nn.functional import smooth_l1_loss
from torch_geometric.data import Batch

from fa_pyg import checks
from fa_pyg.datasets import NBody
from fa_pyg.train.cli import FitCLI
from fa_pyg.train.fit import FitModule
from fa_pyg.train.split_data import SplitData

__all__ = ["NBodyCLI", "NBodyData", "NBodyModule"]


class NBodyModule(FitModule):
    r"""Regression of one vector or position per node, as in the n-body benchmark.

    See "E(n) Equivariant Graph Neural Networks" (Satorras et al. 2021).

    .. math:: L = \frac{1}{3N} \sum_i |\hat y_i - y_i|^2

    Validation and test always report this; the training loss may give outliers (close encounters, which are
    chaotic) less weight.

    Args:
        model: called with the attributes of the batch in ``inputs``, as keywords, and ``batch=``; returns
            ``[N, 3]``.
        lr, weight_decay, schedule: as in :class:`~fa_pyg.train.FitModule`.
        huber: train on the Huber loss, quadratic for errors of a coordinate below this and linear above,
            instead of on squares (``smooth_l1_loss(beta=huber)``).
        inputs: names of the attributes that the model is called with.
        target: name of the attribute to predict.

    Raises:
        ValueError: for a ``huber`` that is not positive, and as :class:`~fa_pyg.train.FitModule`.
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
        self.huber = checks.number("huber", huber, above=0, optional=True)
        self.save_hyperparameters(ignore="model")
        self.inputs, self.target = tuple(inputs), target

    def forward(self, data: Batch) -> Tensor:
        """Return the prediction of the model ``[N, 3]`` for a PyG ``Data`` or ``Batch``."""
        return self.model(**self.attributes(data, self.inputs, "inputs"), batch=data.batch)

    def measures(self, predicted: Tensor, batch: Batch) -> tuple[Tensor, ...]:
        target = self.attributes(batch, [self.target], "target")[self.target]
        return (nn.functional.mse_loss(predicted, target),)

    def loss(self, predicted: Tensor, batch: Batch, measures: tuple[Tensor, ...]) -> Tensor:
        if self.huber is None:
            return measures[0]
        return smooth_l1_loss(predicted, batch[self.target], beta=self.huber)


class NBodyData(SplitData):
    """Training, validation and test split of :class:`~fa_pyg.datasets.NBody`, generated once, by one process.

    The splits stay on the device that trains, where batches are gathered. Each of several processes takes an
    equal share of every split; a split that does not divide is filled up with repeated graphs.

    Args:
        root: folder of the cache.
        batch_size: graphs per step and process in training.
        eval_batch_size: graphs per step and process in validation and test; default ``batch_size``.
        num_samples: size of each split (validation and test have at most 2000), for short or long trials;
            default 3000 / 2000 / 2000.
        seed: of the order of the training graphs.
        num_train: size of the training split alone, for trials with few data; default as ``num_samples``.
        num_particles: particles per sample.

    Raises:
        ValueError: for sizes out of range.
    """

    def __init__(
        self,
        root: str | Path = "data/nbody",
        batch_size: int = 100,
        eval_batch_size: int | None = None,
        num_samples: int | None = None,
        seed: int = 0,
        num_train: int | None = None,
        num_particles: int = 5,
    ) -> None:
        super().__init__(batch_size, eval_batch_size, seed)
        self.root, self.num_samples = str(root), num_samples
        self.num_train = checks.integer("num_train", num_train, optional=True)
        self.num_particles = checks.integer("num_particles", num_particles, 2)

    def prepare_data(self) -> None:
        for name in ("train", "val", "test"):
            self.split(name)

    def split(self, name: str) -> NBody:
        """Return one split, from the cache if there is one."""
        number = self.num_samples
        if name == "train" and self.num_train is not None:
            number = self.num_train
        elif number is not None and name != "train":
            number = min(number, 2000)  # there are no more
        return NBody(self.root, name, number, num_particles=self.num_particles)


class NBodyCLI(FitCLI):
    """Command line of a run on the n-body benchmark."""

    module, data, run = NBodyModule, NBodyData, "nbody"
    defaults: ClassVar = {"default_root_dir": "runs/nbody", "gradient_clip_val": 1.0}
