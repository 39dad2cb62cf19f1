"""Training on the n-body benchmark: step, data and command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from torch import Tensor, nn
from torch.nn.functional import mse_loss, smooth_l1_loss

from fa_pyg import checks
from fa_pyg.datasets import NBody
from fa_pyg.train.cli import FitCLI
from fa_pyg.train.fit import FitModule
from fa_pyg.train.split_data import SplitData
from fa_pyg.typed import total

__all__ = ["NBodyCLI", "NBodyData", "NBodyModule"]


class NBodyModule(FitModule):
    r"""Regression of a position per node, as in the n-body benchmark, or of several vectors.

    See "E(n) Equivariant Graph Neural Networks" (Satorras et al. 2021).

    .. math:: L = \frac{1}{3N} \sum_i |\hat y_i - y_i|^2

    Validation and test always report this; the training loss may give outliers (close encounters, which are
    chaotic) less weight. With several targets it is the mean of their losses, and validation is by the first
    target.

    Args:
        model: called with the attributes of the batch in ``inputs``, as keywords, and ``batch=``; returns
            ``[N, 3]``, a tuple of them for several targets.
        lr, weight_decay, schedule: as in :class:`~fa_pyg.train.FitModule`.
        huber: train on the Huber loss, quadratic for errors of a coordinate below this and linear above,
            instead of on squares (``smooth_l1_loss(beta=huber)``).
        inputs: names of the attributes that the model is called with.
        target: name of the attribute to predict, or names, such as ``["y", "y_vel"]`` for positions and
            velocities.

    Raises:
        ValueError: for a ``huber`` that is not positive, a model with another number of outputs than targets,
            and as :class:`~fa_pyg.train.FitModule`.
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
        target: str | Sequence[str] = "y",
    ) -> None:
        super().__init__(model, lr, weight_decay, schedule)
        self.huber = checks.number("huber", huber, above=0, optional=True)
        self.save_hyperparameters(ignore="model")
        self.inputs = tuple(inputs)
        self.targets = (target,) if isinstance(target, str) else tuple(target)
        self.names = ("mse", *(f"{name}_mse" for name in self.targets[1:]))

    def forward(self, data: Any) -> Tensor | tuple[Tensor, ...]:
        """Return the prediction of the model ``[N, 3]`` for a PyG ``Data`` or ``Batch``; one per target."""
        return self.model(**self.attributes(data, self.inputs, "inputs"), batch=data.batch)

    def measures(self, predicted: Tensor | Sequence[Tensor], batch: Any) -> tuple[Tensor, ...]:
        return tuple(mse_loss(*pair) for pair in self._with_targets(predicted, batch))

    def loss(self, predicted: Tensor | Sequence[Tensor], batch: Any, measures: tuple[Tensor, ...]) -> Tensor:
        losses = measures
        if self.huber is not None:
            pairs = self._with_targets(predicted, batch)
            losses = [smooth_l1_loss(*pair, beta=self.huber) for pair in pairs]
        return losses[0] if len(losses) == 1 else total(losses) / len(losses)

    def _with_targets(self, predicted: Tensor | Sequence[Tensor], batch: Any) -> list[tuple[Tensor, Tensor]]:
        """Return pairs of a prediction and its target."""
        parts = (predicted,) if isinstance(predicted, Tensor) else tuple(predicted)
        if len(parts) != len(self.targets):
            checks.refuse("model", f"{len(self.targets)} outputs, for {self.targets}", len(parts))
        return list(zip(parts, self.attributes(batch, self.targets, "target").values(), strict=True))


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
        num_neighbors, velocities: as for :class:`~fa_pyg.datasets.NBody`.

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
        num_neighbors: int | None = None,
        velocities: bool = False,
    ) -> None:
        super().__init__(batch_size, eval_batch_size, seed)
        self.root, self.num_samples = str(root), num_samples
        self.num_train = checks.integer("num_train", num_train, optional=True)
        self.num_particles = checks.integer("num_particles", num_particles, 2)
        checks.integer("num_neighbors", num_neighbors, 1, num_particles - 1, optional=True)
        self.num_neighbors, self.velocities = num_neighbors, checks.flag("velocities", velocities)

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
        return NBody(
            self.root,
            name,
            number,
            num_particles=self.num_particles,
            num_neighbors=self.num_neighbors,
            velocities=self.velocities,
        )


class NBodyCLI(FitCLI):
    """Command line of a run on the n-body benchmark."""

    module, data, run = NBodyModule, NBodyData, "nbody"
    defaults: ClassVar = {"default_root_dir": "runs/nbody", "gradient_clip_val": 1.0}
