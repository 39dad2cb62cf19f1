"""Forces against finite differences of the energy, and conservation laws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from fa_pyg.math.linalg import scatter_sum
from fa_pyg.testing.energies import System
from fa_pyg.testing.forces import conservation_error, slopes
from fa_pyg.testing.reports.outputs import Output
from fa_pyg.testing.reports.result import FAULT, OK, Points, Row, Section, Worst
from fa_pyg.testing.reports.structures import changed, count, name_of
from fa_pyg.testing.reports.subject import ModelError, Subject
from fa_pyg.testing.reports.trial import Trial

__all__ = ["check_forces"]

MOST = 8  # structures
TOL = 1e-5  # of the typical slope of the energy
STEPS = {"float64": 1e-4, "float32": 0.03}  # of finite differences, in spacings
ROUNDINGS = 30
UNIT = "relative to the typical slope of the energy; net force and torque, to the sum of the norms"
NET = {"float64": 1e-9, "float32": 1e-4}  # relative to the sum of the norms of the forces, or torques


def check_forces(trial: Trial) -> Section:
    """Compare forces, predicted or by automatic differentiation, with finite differences of the energy."""
    title = "forces are minus the gradient of the energy"
    energy, forces = trial.output("energy"), trial.output("forces")
    if energy is None:
        return Section(
            "forces", title, reason="no output is an energy (--output energy=scalar forces=vector)"
        )
    if energy.variation == 0:
        return Section("forces", title, reason="the energy is the same for all positions")
    if any(one.get("pos") is None for one in trial.data):
        return Section("forces", title, reason="the data have no positions (pos)")
    if trial.is_random:
        return Section("forces", title, reason="the model is not deterministic")
    data = [one for one in _few(trial) if count(one) > 1]
    if not data:
        return Section("forces", title, reason="all structures have a single node")
    model = _Energies(trial.best, data, energy.name, None if forces is None else forces.name)
    kind = "autograd" if forces is None else "predicted"
    try:
        found = _measured(trial, model, data)
        nets = _nets(trial, model)
    except (ModelError, ValueError, RuntimeError) as error:
        if forces is None and "grad" in str(error):
            return Section("forces", title, reason="no output is forces, and the energy has no gradient")
        return Section("forces", title, (Row(kind, "", FAULT, note=f"the model raises {error}"),))
    row = _row(trial, kind if forces is None else f"{kind} ({forces.name})", energy, found, data)
    points = Points(
        "derivatives of the energy along random directions", found.slopes.tolist(), found.predicted.tolist()
    )
    return Section("forces", title, (row, *nets), unit=UNIT, plots=(points,))


def _few(trial: Trial) -> list[Data]:
    """Structures to take: mostly the user's own, without those whose output is not finite."""
    given, others = trial.data[: trial.given], trial.data[trial.given :]
    return [*given[: MOST - min(3, len(others))], *others[:3]]


@dataclass
class _Slopes:
    """Derivatives along random directions, ``[D * B]``, of structure ``k [D * B]``."""

    slopes: Tensor
    predicted: Tensor
    structure: Tensor
    directions: list[Tensor]


def _measured(trial: Trial, model: _Energies, data: Sequence[Data]) -> _Slopes:
    system = System(model, model.inputs, "pos", "energy", "forces" if model.forces else None)
    force, batch = system.forces().double(), model.inputs["batch"]
    step = STEPS[trial.precision_inside] * 10 * trial.sigma
    found, predicted, directions = [], [], []
    for _ in range(2 if trial.quick else 4):
        v = torch.randn(force.shape, generator=trial.generator, dtype=torch.float64)
        norm = scatter_sum(v.square().sum(1), batch, len(data)).sqrt()
        v = v / norm[batch].unsqueeze(1)
        slope = slopes(system, v.to(system.pos), step).double()
        along = -scatter_sum((force * v).sum(1), batch, len(data))
        best = (slope - along).abs().argmin(0)
        found.append(slope.gather(0, best.unsqueeze(0)).squeeze(0))
        predicted.append(along)
        directions.append(v)
    number = torch.arange(len(data)).repeat(len(found))
    return _Slopes(torch.cat(found), torch.cat(predicted), number, directions)


def _row(trial: Trial, case: str, energy: Output, found: _Slopes, data: Sequence[Data]) -> Row:
    typical = found.slopes.square().mean().sqrt().item()
    error = (found.predicted - found.slopes).abs().nan_to_num(nan=torch.inf)
    worst = int(error.argmax())
    k = int(found.structure[worst])
    precision = trial.precision_inside
    h = STEPS[precision] * 10 * trial.sigma
    eps = torch.finfo(getattr(torch, precision)).eps
    noise = ROUNDINGS * eps * trial.condition(energy, energy.size, data[k]["pos"].abs().max().item()) / h
    bound = max(TOL if precision == "float64" else 1e-2, trial.tol or 0) * typical + noise
    scale = max(typical, noise, 1e-300)
    direction = found.directions[worst // len(data)][_rows(data, k)].tolist()
    line = (
        f"the energy has the slope {found.slopes[worst]:.6g}, by the forces {found.predicted[worst]:.6g}, "
        f"along the direction {direction}"
    )
    verdict = OK if error[worst].item() <= bound else FAULT
    note = "" if verdict == OK else "not the gradient of the energy (relative to the typical slope)"
    wrong = {name_of(data[j]) for j in found.structure[error > bound].tolist()}
    if wrong and not wrong & {name_of(one) for one in trial.data[: trial.given]}:
        note += "; only on symmetric structures"
    errors, where = {_label(trial): error[worst].item() / scale}, name_of(data[k])
    return Row(case, energy.name, verdict, errors, bound / scale, where, note, Worst((data[k],), None, line))


def _label(trial: Trial) -> str:
    return list(trial.subjects)[-1]


def _rows(data: Sequence[Data], k: int) -> slice:
    start = sum(count(one) for one in data[:k])
    return slice(start, start + count(data[k]))


def _nets(trial: Trial, model: _Energies) -> list[Row]:
    """Net force and torque, which vanish if nothing else acts on the structure."""
    if {*trial.reps} != {"pos"} or not trial.group.dim:
        return []
    forces = "forces" if model.forces else None
    found = conservation_error(model, model.inputs, "pos", "energy", forces, trial.group, trials=1)
    found.pop("forces")
    bound = max(NET[trial.precision_inside], trial.tol or 0)
    return [
        Row(case, forces or "gradient", OK if error <= bound else FAULT, {_label(trial): error}, bound,
            note="" if error <= bound else "relative to the sum of the norms: it should vanish")
        for case, error in found.items()
    ]  # fmt: skip


class _Energies(nn.Module):
    """Energies, and forces, of some structures as a function of their positions."""

    def __init__(self, subject: Subject, data: Sequence[Data], energy: str, forces: str | None) -> None:
        super().__init__()
        self.subject, self.data, self.energy, self.forces = subject, data, energy, forces
        sizes = torch.tensor([count(one) for one in data])
        pos = torch.cat([one["pos"] for one in data]).to(subject.dtype)
        self.inputs = {"pos": pos, "batch": torch.arange(len(data)).repeat_interleave(sizes)}

    def forward(self, pos: Tensor, batch: Tensor) -> dict[str, Tensor]:
        parts = pos.split([count(one) for one in self.data])
        made = [changed(one, pos=part) for one, part in zip(self.data, parts, strict=True)]
        values = [self.subject.values(part, self.subject.batch(part)) for part in self._parts(made)]
        energy = torch.cat([value[self.energy].reshape(-1) for value in values])
        found = {"energy": energy}
        if self.forces:
            found["forces"] = torch.cat([value[self.forces] for value in values])
        return found

    def _parts(self, data: list[Data]) -> list[list[Data]]:
        return self.subject.parts(data, self.subject.together)
