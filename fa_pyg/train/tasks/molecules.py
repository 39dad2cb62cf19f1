"""Training on energies, forces, dipoles and tensors of molecules: step and command line."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn.functional import smooth_l1_loss

from fa_pyg import checks
from fa_pyg.builders import Frame
from fa_pyg.math.linalg import mean
from fa_pyg.models import Potential
from fa_pyg.plot import plot_parity
from fa_pyg.train.cli import FitCLI
from fa_pyg.train.fit import FitModule
from fa_pyg.train.tasks.molecules_data import MoleculeData
from fa_pyg.train.tasks.targets import has_stress
from fa_pyg.typed import total

__all__ = ["MoleculeCLI", "MoleculeModule"]

UNITS = {
    "energy": ("meV", 1e3),
    "atomization": ("meV", 1e3),
    "homo": ("meV", 1e3),
    "lumo": ("meV", 1e3),
    "gap": ("meV", 1e3),
    "forces": ("meV/A", 1e3),
    "stress": ("meV/A3", 1e3),
    "dipole": ("e_A", 1.0),
    "quadrupole": ("e_A2", 1.0),
    "charges": ("e", 1.0),
}
PARITY_POINTS = 20000


class MoleculeModule(FitModule):
    r"""Regression of several properties of molecules at once.

    .. math:: L = \sum_t w_t \operatorname{mean}_b \Big(\frac{\hat y_{tb} - y_{tb}}{s_t}\Big)^2

    with the scale :math:`s_t` of each target in the training set
    (:meth:`~fa_pyg.models.molecules.units.Units.fit_units`), so that the weights have no units. With
    ``consistency`` each step runs the model twice, every structure in two draws of its frame, and trains on

    .. math:: \tfrac12 (L + L') + c \sum_t \operatorname{mean}_b \operatorname{var}_b
              \Big(\frac{\hat y_{tb}}{s_t}, \frac{\hat y'_{tb}}{s_t}\Big),

    the mean loss of the two and c times the unbiased variance between them (with ``huber`` half the Huber
    loss of their difference). Before training, atomic references and scales are fitted to the training set.
    Reported are the loss and the mean absolute error of each target, ``<target>_mae_<unit>``: the mean over
    the components, and atoms, of a molecule, then over molecules. The mean of ``"stress"`` is over systems
    that are periodic in three directions and have one.

    Args:
        model: predicts all the targets.
        lr, weight_decay, schedule: as in :class:`~fa_pyg.train.FitModule`.
        weights: of the targets in the loss; their names are the targets.
        huber: loss is quadratic for errors below this many scales, linear above.
        units: name and factor of the unit of the reported error, by target; default ``UNITS``.
        consistency: the weight c; 0 trains on L only, with one run of the model per step.

    Raises:
        ValueError: for targets that the model does not predict, a ``consistency`` without a frame that is
            drawn at random in training, and as :class:`~fa_pyg.train.FitModule`.
    """

    monitor: ClassVar = "loss"

    model: Potential

    def __init__(
        self,
        model: Potential,
        lr: float = 1e-3,
        weight_decay: float = 0.0,
        schedule: Literal["cosine"] | None = None,
        weights: dict[str, float] | None = None,
        huber: float | None = None,
        units: dict[str, tuple[str, float]] | None = None,
        consistency: float = 0.0,
    ) -> None:
        super().__init__(model, lr, weight_decay, schedule)
        weights = {"energy": 1.0, "forces": 1.0} if weights is None else weights
        given = {*model.heads, *(("forces",) if model.gradient else ())}
        given |= {"stress"} if model.gives_stress else set()
        if not weights or not set(weights) <= given:
            raise ValueError(f"weights: expected some of {sorted(given)}, found {sorted(weights)}")
        if not all(0 <= weight < math.inf for weight in weights.values()) or not any(weights.values()):
            raise ValueError(f"weights: expected 0 or more each, and not all 0, found {weights}")
        self.huber = checks.number("huber", huber, above=0, optional=True)
        self.consistency = checks.number("consistency", consistency, least=0)
        frame = getattr(model.network, "frame", None)
        if consistency and not (isinstance(frame, Frame) and frame.is_random):
            expected = 'a frame that is drawn at random in training, such as HaarFrame("SE(3)")'
            checks.refuse("consistency", f"{expected} or Sample(PCAFrame(...)), or 0", frame)
        self.save_hyperparameters(ignore="model")
        self.weights = weights
        self.units = {name: {**UNITS, **(units or {})}.get(name, ("", 1.0)) for name in weights}
        self.names = ("loss", *(self._metric(name) for name in weights))
        self.seen: dict[str, list[Tensor]] = {}

    def _metric(self, name: str) -> str:
        unit = self.units[name][0].replace("/", "_per_")
        return f"{name}_mae_{unit}" if unit else f"{name}_mae"

    def setup(self, stage: str) -> None:
        if stage == "fit":  # a resumed run loads those of its checkpoint afterwards
            trainer: Any = self.trainer  # Lightning does not declare the data module
            data = trainer.datamodule.sample()
            self.model.fit_units(data.z, data.batch, self._targets(data))
            fitted = [one.known for name, one in self.model.references.items() if name in self.weights]
            if fitted:
                trainer.datamodule.expect(fitted[0].cpu())

    def _targets(self, data: Any) -> dict[str, Tensor]:
        """Return the targets of a batch of training molecules; raise ValueError if none has a stress."""
        found = {name: data[name] for name in self.weights}
        if self._learns_stress:
            known = has_stress(data)
            if not known.any():
                raise ValueError(
                    "weights: expected 'stress' or 'virial' of some training structures that are periodic in "
                    "three directions, found none for the weight of stress"
                )
            found["stress"] = data.stress[known]
        return found

    @property
    def _learns_stress(self) -> bool:
        return "stress" in self.weights and self.model.gives_stress

    def forward(self, data: Any) -> dict[str, Tensor]:
        """Return the predictions for a PyG ``Batch``."""
        cells = {name: data[name] for name in ("cell", "pbc") if name in data}
        stress = self._learns_stress and bool(has_stress(data).any())
        out = self.model(
            data.z, data.pos, batch=data.batch, num_graphs=data.num_graphs, stress=stress, **cells
        )
        if self._learns_stress and not stress:
            out["stress"] = data.pos.new_full((data.num_graphs, 3, 3), torch.nan)
        return out

    def errors(self, predicted: Mapping[str, Tensor], batch: Any) -> dict[str, Tensor]:
        """Return predictions minus targets, computed in the wider of the two types."""
        errors = {}
        for name in self.weights:
            value = predicted[name]
            target = batch[name].reshape(value.shape)
            errors[name] = (value - target).to(batch.pos.dtype)
        return self._known(errors, batch)

    def _known(self, errors: dict[str, Tensor], batch: Any) -> dict[str, Tensor]:
        """Set errors of unknown stresses to 0: NaN would reach all gradients."""
        if self._learns_stress:
            errors["stress"] = torch.where(has_stress(batch).view(-1, 1, 1), errors["stress"], 0)
        return errors

    def measures(self, predicted: Mapping[str, Tensor], batch: Any) -> tuple[Tensor, ...]:
        errors = self.errors(predicted, batch)
        loss = total(self.weights[name] * self._loss(name, error, batch) for name, error in errors.items())
        scaled = (
            self.units[name][1] * self._mean(name, error.abs(), batch) for name, error in errors.items()
        )
        return loss, *scaled

    def counts(self, batch: Any) -> tuple[int, ...]:
        known = int(has_stress(batch).sum()) if self._learns_stress else 0
        of_stress = [name == "stress" and self._learns_stress for name in self.weights]
        return batch.num_graphs, *(known if one else batch.num_graphs for one in of_stress)

    def loss(self, predicted: Mapping[str, Tensor], batch: Any, measures: tuple[Tensor, ...]) -> Tensor:
        if not self.consistency:
            return measures[0]
        again = self(batch)  # in new draws of the frames
        both = (measures[0] + self.measures(again, batch)[0]) / 2
        return both + self.consistency * self._variance(predicted, again, batch)

    def _variance(self, one: Mapping[str, Tensor], other: Mapping[str, Tensor], batch: Any) -> Tensor:
        """Return the unbiased variance of two predictions of each target, in its scale."""
        apart = {name: (one[name] - other[name]).to(batch.pos.dtype) for name in self.weights}
        apart = self._known(apart, batch)
        return total(self._loss(name, value, batch) for name, value in apart.items()) / 2

    def _loss(self, name: str, error: Tensor, batch: Any) -> Tensor:
        error = error / self.model.scale(name).to(error)
        if self.huber is None:
            return self._mean(name, error.square(), batch)
        loss = smooth_l1_loss(error, torch.zeros_like(error), beta=self.huber, reduction="none")
        return self._mean(name, loss, batch)

    def _mean(self, name: str, x: Tensor, batch: Any) -> Tensor:
        """Return the mean over the graphs that have this target; 0 if none has."""
        if name == "stress" and self._learns_stress:
            return x.mean((1, 2)).sum() / has_stress(batch).sum().clamp(min=1)
        return _mean(x, batch)

    # ------------------------------------------------------------------------------ parity

    def on_test_epoch_start(self) -> None:
        self.seen = {name: [] for name in self.weights}

    def test_step(self, batch: Any, batch_idx: int) -> None:
        predicted = self(batch)
        self._log("test", batch, predicted)
        for name, seen in self.seen.items():
            if sum(one.size(1) for one in seen) < PARITY_POINTS:
                value = predicted[name].detach().reshape(-1)
                pair = torch.stack([batch[name].reshape(-1).to(value), value]).double().cpu()
                known = ~pair.isnan().any(0) if name == "stress" else slice(None)
                seen.append(pair[:, known])

    def parity(self) -> dict[str, Tensor]:
        """Return true and predicted numbers ``[2, n]`` of the last test, by target and unit."""
        units = {name: name + (f" / {unit}" if unit else "") for name, (unit, _) in self.units.items()}
        return {
            units[name]: torch.cat(seen, 1) * self.units[name][1] for name, seen in self.seen.items() if seen
        }


def _mean(x: Tensor, batch: Any) -> Tensor:
    """Return the mean over the numbers of each graph, then over the graphs."""
    rows = x.reshape(len(x), -1).mean(1)
    if len(rows) == batch.num_graphs and len(rows) != batch.num_nodes:
        return rows.mean()
    if len(rows) == batch.num_nodes:
        return mean(rows.unsqueeze(1), batch.batch, batch.num_graphs).mean()
    raise ValueError(f"targets: expected a row for each graph or atom, found {list(x.shape)}")


class MoleculeCLI(FitCLI):
    """Command line of a run on molecules; also plots predictions against targets."""

    module, data, run = MoleculeModule, MoleculeData, "molecules"
    precisions: ClassVar = (*FitCLI.precisions, "64-true")
    # Forces are derivatives: evaluation needs autograd as well.
    defaults: ClassVar = {
        "default_root_dir": "runs/molecules",
        "gradient_clip_val": 10.0,
        "inference_mode": False,
    }

    def add_arguments_to_parser(self, parser) -> None:
        super().add_arguments_to_parser(parser)
        parser.link_arguments("model.weights", "data.targets", compute_fn=_targets)

    def draw(self) -> None:
        super().draw()
        plot_parity(self.model.parity(), self.folder / "parity.png", self.config.name)


def _targets(weights: dict[str, float] | None) -> list[str]:
    return ["energy", "forces"] if weights is None else list(weights)
