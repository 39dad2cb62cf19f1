"""Preparation of a check: structures, how the model is called, its outputs, their size and variation."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch_geometric.data import Data

from fa_pyg.calls.declared import check_acted_on
from fa_pyg.groups import Group
from fa_pyg.nn.averaging import FrameAveraging
from fa_pyg.reps import Rep, RepLike
from fa_pyg.testing.reports import structures as made
from fa_pyg.testing.reports.accepted import accepted, by_finiteness, first_error, in_precisions, noise
from fa_pyg.testing.reports.facts import facts
from fa_pyg.testing.reports.measured import measured_outputs
from fa_pyg.testing.reports.modes import computes_lower
from fa_pyg.testing.reports.names import DERIVED, TARGETS, Binding, bind
from fa_pyg.testing.reports.subject import Declared, Subject
from fa_pyg.testing.reports.trial import Trial

__all__ = ["Prepared", "Settings", "prepared"]

POINTS = ("pos",)
VECTORS = ("vel", "velocity", "velocities", "normal", "normals", "cell")
SAMPLE = 32  # structures to measure the time of
CALLS, SECONDS = 9000, 25.0  # structures that a check evaluates, and time above which it takes fewer


@dataclass(frozen=True)
class Settings:
    """Arguments of :func:`fa_pyg.testing.report`."""

    group: Group
    inputs: Mapping[str, RepLike] | None
    output: Declared
    names: Mapping[str, str]
    edges: float | None
    num: int
    dtype: str | None
    training: bool
    tol: float | None
    quick: bool | None
    seed: int
    allow_errors: bool = False


@dataclass
class Prepared:
    """Model and state of a check.

    Attributes:
        model: as given.
        subject: makes the model in a mode (whether training), in the highest precision.
        infinite: structures whose outputs are not finite.
        left_out: structures that the model does not take, and what it raises.
        symmetric: the same of the symmetric structures of the catalogue.
        facts: for the head of the report.
    """

    model: Callable
    settings: Settings
    trial: Trial
    subject: Callable[[bool], Subject]
    infinite: list[Data]
    left_out: list[tuple[Data, str]]
    symmetric: list[tuple[Data, str]]
    facts: list[tuple[str, str]]


def prepared(model: Callable, data: Any, settings: Settings) -> Prepared:
    """Prepare a check.

    Raises:
        ValueError: for a model that cannot be called with any of the structures.
    """
    generator = torch.Generator().manual_seed(settings.seed)
    given, origin = _given(data, settings, generator)
    _check_dimension(given, settings)
    declared_inputs = settings.inputs
    if isinstance(model, FrameAveraging):
        declared_inputs = declared_inputs or dict(model.inputs)
    keys = set.intersection(*({*one.keys()} for one in given)) - {"name_", "num_nodes"}
    known = {*(declared_inputs or {}), *settings.names.values()}
    binding = bind(model, keys, settings.names, known, settings.edges is not None)
    declared_inputs = _renamed(declared_inputs, binding)
    declared = _declared(model, settings)

    def make(dtype: str, training: bool) -> Subject:
        return Subject(model, binding, getattr(torch, dtype), declared, settings.edges, training)

    def other(training: bool) -> Subject:
        subject = make(precision, training)
        for name in ("sets_default", "levels", "skipped"):
            setattr(subject, name, getattr(trial.best, name))
        return subject

    wanted = [settings.dtype] if settings.dtype else ["float32", "float64"]
    if not isinstance(model, nn.Module) and getattr(model, "precision", None):  # such as calculators
        wanted = [model.precision]
    subjects, failed = in_precisions(lambda precision: make(precision, settings.training), wanted, given)
    good, left_out = accepted(subjects, given)
    unit, is_plain = _unit(good), _is_plain(binding, keys)
    more, refused = _symmetric(subjects, good, settings.group.dim, unit) if is_plain else ([], [])
    finite, infinite = by_finiteness(subjects, [*good, *more])
    trial = Trial(
        data=finite,
        subjects=subjects,
        outputs=[],
        group=settings.group,
        reps=_reps(declared_inputs, keys, settings.group),
        sigma=0.1 * unit,
        generator=generator,
        quick=bool(settings.quick),
        tol=settings.tol,
        given=sum(any(one is other for other in good) for one in finite),
        taken=len(good),
        allow_errors=settings.allow_errors,
        elements=made.elements(finite),
        is_plain=is_plain,
    )
    _measure(trial, declared, good, settings)
    told = list(
        facts(model, binding, trial, origin, failed, len(left_out) + len(infinite), settings.training)
    )
    precision = list(subjects)[-1]
    return Prepared(model, settings, trial, other, infinite, left_out, refused, told)


def _measure(trial: Trial, declared: Declared, good: Sequence[Data], settings: Settings) -> None:
    """Find the outputs with their variation, the noise, and the precision inside."""
    trial.outputs = measured_outputs(trial, declared, good)
    if not trial.given:
        return
    trial.noise = noise(trial)
    many = trial.data * (1 + SAMPLE // len(trial.data))
    start = time.perf_counter()
    trial.best(many)
    seconds = (time.perf_counter() - start) / len(many)
    trial.lowered = computes_lower(trial.best, trial.data[: trial.given], trial.outputs, trial.sigma)
    if settings.quick is None and seconds * CALLS > SECONDS:
        trial.quick = trial.is_slow = True


def _symmetric(
    subjects: Mapping[str, Subject], data: Sequence[Data], dim: int, unit: float
) -> tuple[list[Data], list[tuple[Data, str]]]:
    """Symmetric structures that the model takes, and the others with what it raises."""
    good, refused = [], []
    if dim and all(one.get("pos") is not None for one in data):
        for one in made.symmetric(made.elements(data), dim, unit):
            error = first_error(subjects, one)
            good += [one] * (error is None)
            refused += [] if error is None else [(one, error)]
    return good, refused


def _given(data: Any, settings: Settings, generator: torch.Generator) -> tuple[list[Data], str]:
    if data is None:
        if settings.group.dim != 3:
            hint = "; the default, small molecules, is three-dimensional"
            raise ValueError(f"data: expected structures (--data) for {settings.group}, found none{hint}")
        count = max(settings.num, 1)
        return made.structures(made.molecules(count, generator)), "small molecules of fa_pyg"
    found = made.structures(data)
    return made.chosen(found, settings.num), f"of {len(found)} structures"


def _check_dimension(data: Sequence[Data], settings: Settings) -> None:
    dim = settings.group.dim
    for one in data if dim else ():
        pos = one.get("pos")
        if pos is not None and (pos.dim() != 2 or pos.size(1) != dim):
            found = f"{list(pos.shape)} in {made.name_of(one)}"
            raise ValueError(f"data: expected pos [N, {dim}] for {settings.group}, found {found}")


def _renamed(inputs: Mapping[Any, RepLike] | None, binding: Binding) -> dict[Any, RepLike] | None:
    """Representations by attributes of the data, of those by parameters."""
    if inputs is None:
        return None
    order = list(binding.sources.values())
    named = {order[k] if isinstance(k, int) and k < len(order) else k: rep for k, rep in inputs.items()}
    return {binding.sources.get(name, name): rep for name, rep in named.items()}


def _declared(model: Callable, settings: Settings) -> Declared:
    if settings.output is not None or not isinstance(model, FrameAveraging) or not model.output_is_declared:
        return settings.output
    output = model.output
    return {str(k): v for k, v in enumerate(output)} if isinstance(output, (tuple, list)) else output


def _unit(data: Sequence[Data]) -> float:
    """Distance of neighbors."""
    found = [made.spacing(one["pos"]) for one in data if one.get("pos") is not None and made.count(one) > 1]
    return torch.tensor(found, dtype=torch.float64).median().item() if found else 1.0


def _is_plain(binding: Binding, keys: set[str]) -> bool:
    """Whether the model needs no more than points and elements."""
    if binding.kind != "arguments":
        return keys - {*TARGETS} <= {"z", "pos"}
    return {*binding.sources.values()} <= {"z", "pos", *DERIVED} - ({"edge_index"} & keys)


def _reps(inputs: Mapping[str, RepLike] | None, keys: set[str], group: Group) -> dict[str, Rep]:
    if not group.dim:
        return {}
    found = {name: "point" for name in POINTS if name in keys}
    found |= {name: "vector" for name in VECTORS if name in keys}
    given = dict(inputs or {})
    if missing := [name for name in given if name not in keys]:
        raise ValueError(
            f"inputs: expected attributes of the data, {', '.join(sorted(keys))}, found {missing[0]!r}"
        )
    found |= given
    reps = {name: Rep.of(rep, "inputs") for name, rep in found.items()}
    if reps and not group.is_euclidean:
        check_acted_on(group, {**reps}, "inputs")
    return {name: rep for name, rep in reps.items() if not rep.is_invariant}
