"""Training on point clouds: normals of the points, or the family of each cloud."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch_geometric.utils import scatter

from fa_pyg import checks
from fa_pyg.train.cli import FitCLI
from fa_pyg.train.fit import FitModule
from fa_pyg.train.tasks.clouds_data import CloudsData

__all__ = ["ClassesCLI", "ClassesModule", "NormalsCLI", "NormalsModule", "angles", "cloud_means"]


class NormalsModule(FitModule):
    r"""Estimation of the normal of each point.

    See "Frame Averaging for Invariant and Equivariant Network Design" (Puny et al. 2022), section 4.1.

    .. math:: L = \frac{1}{N} \sum_i 1 - (n_i \cdot \hat n_i)^2

    Reported are this loss and the root mean square angle between the lines of a cloud, in degrees, both as
    means over clouds (as usual since PCPNet, Guerrero et al. 2018).

    Args:
        model: called ``model(pos, batch=batch)``; returns unit normals ``[N, 3]``. One with
            ``average="tensor"`` is trained on ``model.tensor(pos, batch=batch)``, averages A ``[N, 3, 3]`` of
            :math:`\hat n \hat n^\top`, by the loss :math:`1 - n^\top A n`.
        lr, weight_decay, schedule: as in :class:`~fa_pyg.train.FitModule`. Published: Adam at a constant
            1e-3.
        oriented: the sign counts: :math:`1 - n \cdot \hat n`. Training is on ``model(...)`` for any model.
        penalty: weight of what ``model.forward_with_penalty(pos, batch=batch)`` returns beside the normals,
            if the model has it.

    Raises:
        ValueError: for outputs of another shape, a negative ``penalty``, and as
            :class:`~fa_pyg.train.FitModule`.
    """

    names, monitor = ("loss", "rmse"), "loss"

    def __init__(
        self,
        model: nn.Module,
        lr: float = 1e-3,
        weight_decay: float = 0.0,
        schedule: Literal["cosine"] | None = None,
        oriented: bool = False,
        penalty: float = 1e-3,
    ) -> None:
        super().__init__(model, lr, weight_decay, schedule)
        self.oriented = checks.flag("oriented", oriented)
        self.penalty = checks.number("penalty", penalty, least=0)
        self.save_hyperparameters(ignore="model")

    def forward(self, data: Any) -> Tensor | tuple[Tensor, Tensor]:
        """Return the normals ``[N, 3]`` of a PyG ``Batch``.

        In training: what the loss is of, matrices ``[N, 3, 3]`` or normals, and the penalty if there is one.
        """
        penalty: Tensor | None = None
        model: Any = self.model
        if self.training and not self.oriented and getattr(model, "average", None) == "tensor":
            found = model.tensor(data.pos, batch=data.batch)
        elif self.training and self.penalty and hasattr(model, "forward_with_penalty"):
            found, penalty = model.forward_with_penalty(data.pos, batch=data.batch)
        else:
            found = model(data.pos, batch=data.batch)
        count = len(data.pos)
        if found.shape not in ((count, 3), (count, 3, 3)):
            raise ValueError(f"model: expected normals [{count}, 3], found {list(found.shape)}")
        return found if penalty is None else (found, penalty)

    def measures(self, predicted: Tensor | tuple[Tensor, Tensor], batch: Any) -> tuple[Tensor, ...]:
        normals = predicted if isinstance(predicted, Tensor) else predicted[0]
        loss = cloud_means(self._losses(normals, batch.normal), batch).mean()
        angle = angles(normals.detach(), batch.normal)
        return loss, cloud_means(angle.square(), batch).sqrt().mean()

    def loss(
        self, predicted: Tensor | tuple[Tensor, Tensor], batch: Any, measures: tuple[Tensor, ...]
    ) -> Tensor:
        return measures[0] if isinstance(predicted, Tensor) else measures[0] + self.penalty * predicted[1]

    def _losses(self, predicted: Tensor, normal: Tensor) -> Tensor:
        if self.oriented:
            return 1 - (predicted * normal).sum(1)
        return 1 - _squares(predicted, normal)


class ClassesModule(FitModule):
    """Classification of clouds: the family of a part.

    Args:
        model: called ``model(pos, batch=batch)``; returns logits ``[B, C]``.
        lr, weight_decay, schedule: as in :class:`~fa_pyg.train.FitModule`.

    Raises:
        ValueError: for outputs of another shape, and as :class:`~fa_pyg.train.FitModule`.
    """

    names, monitor = ("loss", "accuracy"), "loss"

    def __init__(
        self,
        model: nn.Module,
        lr: float = 1e-3,
        weight_decay: float = 0.0,
        schedule: Literal["cosine"] | None = None,
    ) -> None:
        super().__init__(model, lr, weight_decay, schedule)
        self.save_hyperparameters(ignore="model")

    def forward(self, data: Any) -> Tensor:
        """Return the logits ``[B, C]`` of a PyG ``Batch``."""
        logits = self.model(data.pos, batch=data.batch)
        if logits.dim() != 2 or len(logits) != data.num_graphs:
            raise ValueError(
                f"model: expected logits [{data.num_graphs}, C], found {list(logits.shape)}; a model with "
                f"classes returns them: {self._option(data)}"
            )
        return logits

    def measures(self, predicted: Tensor, batch: Any) -> tuple[Tensor, ...]:
        try:
            loss = cross_entropy(predicted, batch.y)
        except IndexError as error:
            expected = f"at least {int(batch.y.max()) + 1}, the families of the data"
            found = f"{predicted.size(1)}; {self._option(batch)}"
            raise ValueError(f"num_classes: expected {expected}, found {found}") from error
        return loss, (predicted.argmax(1) == batch.y).to(predicted.dtype).mean()

    def _option(self, data: Any) -> str:
        """Return the option of the number of families, or, without the data set, the least that it can be."""
        option = "--model.model.init_args.num_classes"
        count = getattr(getattr(self._trainer, "datamodule", None), "num_classes", None)
        if count is not None:
            return f"{option} {count}"
        least = f", {int(data.y.max()) + 1} or more" if data.get("y") is not None else ""
        return f"{option} K, the num_classes of the data set{least}"


class NormalsCLI(FitCLI):
    """Command line of a training on normals."""

    module, data, run = NormalsModule, CloudsData, "normals"
    defaults: ClassVar[dict[str, Any]] = {"default_root_dir": "runs/normals", "max_epochs": 250}


class ClassesCLI(FitCLI):
    """Command line of a training on families."""

    module, data, run = ClassesModule, CloudsData, "shapes"
    defaults: ClassVar[dict[str, Any]] = {"default_root_dir": "runs/shapes", "max_epochs": 250}

    def add_arguments_to_parser(self, parser) -> None:
        super().add_arguments_to_parser(parser)
        parser.set_defaults({"data.splitting": "random"})


def angles(predicted: Tensor, normal: Tensor) -> Tensor:
    """Return the angle between lines ``[N]`` in degrees, from 0 to 90; exact for small ones, too.

    A vector of zero length has an angle of 90 degrees from every line.

    Args:
        predicted: normals ``[N, 3]``, or averages A of their products ``[N, 3, 3]``: an angle of square
            cosine :math:`n^T A n`.
        normal: unit normals.
    """
    if predicted.dim() == 3:
        cosine = _squares(predicted, normal).clamp(0, 1).sqrt()
        return torch.rad2deg(torch.acos(cosine))
    across = torch.linalg.cross(predicted, normal).norm(dim=1)
    along = (predicted * normal).sum(1).abs()
    across = across.masked_fill((across == 0) & (along == 0), 1.0)  # a zero vector is not a good answer
    return torch.rad2deg(torch.atan2(across, along))


def cloud_means(values: Tensor, batch: Any) -> Tensor:
    """Return the mean of values of points ``[N]`` over each cloud."""
    return scatter(values, batch.batch, dim_size=batch.num_graphs, reduce="mean")


def _squares(predicted: Tensor, normal: Tensor) -> Tensor:
    """Return the squared cosine of the angle between lines; for matrices A, n^T A n."""
    if predicted.dim() == 3:
        return torch.einsum("ni,nij,nj->n", normal, predicted, normal)
    return (predicted * normal).sum(1).square()
