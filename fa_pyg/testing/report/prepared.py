"""Preparation of a check: structures, how the model is called, its outputs, their size and variation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from fa_pyg.groups import Group
from fa_pyg.nn.averaging import FrameAveraging
from fa_pyg.reps import Rep, RepLike
from fa_pyg.testing.report import structures as made
from fa_pyg.testing.report.modes import computes_lower
from fa_pyg.testing.report.motions import kinds
from fa_pyg.testing.report.names import DERIVED, Binding, bind
from fa_pyg.testing.report.outputs import Output, described
from fa_pyg.testing.report.subject import ModelError, Subject
from fa_pyg.testing.report.trial import Trial

__all__ = ["Prepared", "Settings", "prepared"]

POINTS = ("pos",)
VECTORS = ("vel", "velocity", "velocities", "normal", "normals", "cell")
SMALL = 1e-9  # a guessed representation fits if the error is below it, relative to the output


@dataclass(frozen=True)
class Settings:
    """Arguments of :func:`fa_pyg.testing.report`."""

    group: Group
    inputs: Mapping[str, RepLike] | None
    output: Mapping[str, RepLike] | RepLike | None
    names: Mapping[str, str]
    edges: float | None
    num: int
    dtype: str | None
    training: bool
    tol: float | None
    quick: bool
    seed: int


@dataclass
class Prepared:
    """Model and state of a check.

    Attributes:
        model: as given.
        subject: makes the model in a mode (whether training), in the highest precision.
        infinite: structures whose outputs are not finite.
        left_out: structures that the model does not take, and what it raises.
        facts: for the head of the report.
    """

    model: Callable
    settings: Settings
    trial: Trial
    subject: Callable[[bool], Subject]
    infinite: list[Data]
    left_out: list[tuple[Data, str]]
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

    wanted = [settings.dtype] if settings.dtype else ["float32", "float64"]
    if not isinstance(model, nn.Module) and getattr(model, "precision", None):  # such as calculators
        wanted = [model.precision]
    subjects, failed = _subjects(make, wanted, settings.training, given)
    good, left_out = _accepted(subjects, given)
    unit, elements, plain = _unit(good), _elements(good), _is_plain(binding, keys)
    more = _symmetric(subjects, good, settings.group.dim, elements, unit) if plain else []
    finite, infinite = _by_finiteness(subjects, [*good, *more])
    trial = Trial(
        finite, subjects, [], settings.group, _reps(declared_inputs, keys, settings.group), 0.1 * unit, generator,
        settings.quick, settings.tol, given=sum(any(one is other for other in good) for one in finite), elements=elements, is_plain=plain,
    )  # fmt: skip
    trial.outputs = _outputs(trial, declared)
    trial.noise = _noise(trial)
    trial.lowered = computes_lower(trial.best, trial.data[: trial.given], trial.outputs, trial.sigma)
    facts = _facts(model, binding, origin, trial, failed, settings)
    precision = list(subjects)[-1]
    return Prepared(
        model, settings, trial, lambda training: make(precision, training), infinite, left_out, facts
    )


def _symmetric(
    subjects: Mapping[str, Subject],
    data: Sequence[Data],
    dim: int,
    elements: tuple[int, ...] | None,
    unit: float,
) -> list[Data]:
    """Symmetric structures that the model takes."""
    if not dim or any(one.get("pos") is None for one in data):
        return []
    found = made.symmetric(elements, dim, unit)
    return [one for one in found if all(_error(subject, one) is None for subject in subjects.values())]


def _by_finiteness(subjects: Mapping[str, Subject], data: Sequence[Data]) -> tuple[list[Data], list[Data]]:
    """Structures of finite outputs, and the others.

    Raises:
        ValueError: if there are no structures of finite outputs.
    """
    found = [subject(data) for subject in subjects.values()]
    is_good = [
        all(bool(value.isfinite().all()) for values in found for value in values[k].values())
        for k in range(len(data))
    ]
    if not any(is_good):
        names = ", ".join(found[0][0])
        raise ValueError(
            f"model: expected finite outputs, found NaN or infinity on all structures, in {names}"
        )
    good = [one for one, good in zip(data, is_good, strict=True) if good]
    return good, [one for one, good in zip(data, is_good, strict=True) if not good]


def _noise(trial: Trial) -> dict[str, float]:
    """Largest difference of each output between calls with the same input."""
    subject, found = trial.best, dict.fromkeys((one.name for one in trial.outputs), 0.0)
    first = subject(trial.data)
    for _ in range(2):
        for a, b in zip(subject(trial.data), first, strict=True):
            for name in found:
                if a[name].numel():
                    found[name] = max(found[name], (a[name] - b[name]).abs().max().item())
    return {name: noise for name, noise in found.items() if noise}


def _given(data: Any, settings: Settings, generator: torch.Generator) -> tuple[list[Data], str]:
    if data is None:
        if settings.group.dim != 3:
            raise ValueError(
                f"data: expected structures for {settings.group}, found None, which is molecules"
            )
        count = max(settings.num, 1)
        return made.structures(made.molecules(count, generator)), "small molecules of fa_pyg"
    found = made.structures(data)
    return made.chosen(found, settings.num), f"{len(found)} structures"


def _check_dimension(data: Sequence[Data], settings: Settings) -> None:
    dim = settings.group.dim
    for one in data if dim else ():
        pos = one.get("pos")
        if pos is not None and (pos.dim() != 2 or pos.size(1) != dim):
            raise ValueError(
                f"data: expected pos [N, {dim}] for {settings.group}, found {list(pos.shape)} in {made.name_of(one)}"
            )


def _renamed(inputs: Mapping[Any, RepLike] | None, binding: Binding) -> dict[str, RepLike] | None:
    """Representations by attributes of the data, of those by parameters."""
    if inputs is None:
        return None
    return {binding.sources.get(name, name): rep for name, rep in inputs.items()}


def _declared(model: Callable, settings: Settings) -> Mapping[str, RepLike] | RepLike | None:
    if settings.output is not None or not isinstance(model, FrameAveraging) or not model.output_is_declared:
        return settings.output
    output = model.output
    return {str(k): v for k, v in enumerate(output)} if isinstance(output, (tuple, list)) else output


def _subjects(
    make: Callable[[str, bool], Subject], wanted: Sequence[str], training: bool, data: Sequence[Data]
) -> tuple[dict[str, Subject], dict[str, str]]:
    """Model in each precision in which it can be called, and what it raises in the others."""
    found, failed = {}, {}
    for precision in wanted:
        subject = make(precision, training)
        errors = [_error(subject, one) for one in data[:3]]
        if None in errors:
            found[precision] = subject
        else:
            failed[precision] = errors[0]
    if not found:
        hint = _hint(data, " ".join(failed.values()))
        raise ValueError(
            f"model: expected one that can be called with the data, found {list(failed.values())[-1]}{hint}"
        )
    return found, failed


def _hint(data: Sequence[Data], error: str) -> str:
    elements = _elements(data)
    if "IndexError" in error or ("index" in error and elements):
        return (
            f"; does it know the elements of the data, {list(elements or ())}? Pass others by data= (--data)"
        )
    if "dtype" in error:
        return "; is a type hard-coded in it?"
    if "edge" in error or "None" in error:
        return "; does it need edges= (--edges radius=5.0)?"
    return ""


def _error(subject: Subject, data: Data) -> str | None:
    try:
        subject([data])
    except ModelError as error:
        return str(error)
    return None


def _accepted(
    subjects: Mapping[str, Subject], data: Sequence[Data]
) -> tuple[list[Data], list[tuple[Data, str]]]:
    """Structures that the model takes, and the others with what it raises; also find levels of outputs."""
    subject = list(subjects.values())[-1]
    errors = [_error(subject, one) for one in data]
    good = [one for one, error in zip(data, errors, strict=True) if error is None]
    together = subject.together
    subject.levels.clear()
    if together and len(good) > 1:
        try:
            subject(good)
        except ModelError:  # rows of all structures together, or a batch that it does not take after all
            together = False
    if not together or len(good) < 2:
        subject.levels = _levels(subject, good)
    for one in subjects.values():
        one.together, one.levels = together, dict(subject.levels)
    return good, [(one, error) for one, error in zip(data, errors, strict=True) if error is not None]


def _levels(subject: Subject, data: Sequence[Data]) -> dict[str, str]:
    """Levels of the outputs of single structures: nodes if there are as many rows in all of them."""
    counts: dict[str, list[bool]] = {}
    for one in data:
        for name, value in subject.values([one], subject.batch([one])).items():
            counts.setdefault(name, []).append(value.dim() > 0 and len(value) == one.num_nodes)
    return {name: "node" if all(rows) else "graph" for name, rows in counts.items()}


def _unit(data: Sequence[Data]) -> float:
    """Distance of neighbors."""
    found = [made.spacing(one.pos) for one in data if one.get("pos") is not None and one.num_nodes > 1]
    return torch.tensor(found, dtype=torch.float64).median().item() if found else 1.0


def _elements(data: Sequence[Data]) -> tuple[int, ...] | None:
    if any(not isinstance(one.get("z"), Tensor) or one.z.is_floating_point() for one in data):
        return None
    return tuple(sorted({int(k) for one in data for k in one.z.flatten().tolist()}))


def _is_plain(binding: Binding, keys: set[str]) -> bool:
    """Whether the model needs no more than points and elements."""
    if binding.kind != "arguments":
        return keys <= {"z", "pos"}
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
    return {name: rep for name, rep in reps.items() if not rep.is_invariant}


def _outputs(trial: Trial, declared: Mapping[str, RepLike] | RepLike | None) -> list[Output]:
    """Outputs with their sizes and variations; representations that are not declared are tried."""
    subject, some = trial.best, trial.data[: trial.given]
    sample = subject.values(some[:1], subject.batch(some[:1]))
    if subject.together and len(some) > 1:
        sample = subject.values(some, subject.batch(some))
    found = described(sample, subject.levels, declared, trial.group.dim)
    found = [_measured(trial, output) for output in found]
    return [output if output.declared else _guessed(trial, output) for output in found]


def _measured(trial: Trial, output: Output) -> Output:
    """Output with its size, and its variation when points (or features) are displaced."""
    precision = list(trial.subjects)[-1]
    usual = [one[output.name] for one in trial.reference(precision)[: trial.given]]
    size = _median([value.abs().max().item() for value in usual if value.numel()])
    changes = []
    for _ in range(2):
        moved = [_displaced(trial, one) for one in trial.data[: trial.given]]
        try:
            after = trial.best(moved)
        except ModelError:
            return replace(output, size=size, variation=_spread(usual) or size)
        pairs = zip(after, usual, strict=True)
        changes += [(a[output.name] - b).square().mean().sqrt().item() for a, b in pairs if b.numel()]
    return replace(output, size=size, variation=_median(changes))


def _displaced(trial: Trial, data: Data) -> Data:
    """Structure with displaced points; without points, with displaced features."""
    values = {}
    names = ["pos"] if data.get("pos") is not None else [k for k, v in data.items() if _is_float(v)]
    for name in names:
        noise = torch.randn(data[name].shape, generator=trial.generator, dtype=torch.float64)
        values[name] = data[name] + trial.sigma * noise
    return made.changed(data, **values)


def _is_float(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()


def _spread(values: Sequence[Tensor]) -> float:
    flat = torch.cat([value.flatten() for value in values])
    return flat.std().item() if flat.numel() > 1 else 0.0


def _median(values: Sequence[float]) -> float:
    found = torch.tensor([v for v in values if v == v and v != float("inf")], dtype=torch.float64)
    return found.median().item() if len(found) else 0.0


def _guessed(trial: Trial, output: Output) -> Output:
    """Output with the representation among those of its shape that fits best."""
    group = trial.group
    if not output.rep.rank or not group.rotates or output.variation == 0 or output.role == "forces":
        return output
    options = [output.rep, Rep(0)] + ([Rep(1, pseudo=True)] if output.rep == Rep(1) else [])
    draws = [draw for case, draw in kinds(group).items() if case in ("rotations", "reflections", "elements")]
    some = trial.data[: trial.given][:4]
    motions = [draw(trial.generator) for draw in draws]
    before = trial.best(some)
    errors = dict.fromkeys(options, 0.0)
    for g in motions:
        after = trial.best([trial.moved(one, g) for one in some])
        for rep in options:
            pairs = zip(after, before, strict=True)
            error = max((a[output.name] - g(b[output.name], rep)).abs().max().item() for a, b in pairs)
            errors[rep] = max(errors[rep], error)
    best = min(options, key=lambda rep: errors[rep])
    scale = max(output.size, output.variation)
    bound = SMALL if list(trial.subjects)[-1] == "float64" and not trial.lowered else 1e-3
    return replace(output, rep=best) if errors[best] <= bound * scale else output


def _facts(
    model: Callable, binding: Binding, origin: str, trial: Trial, failed: Mapping[str, str], settings: Settings
) -> list[tuple[str, str]]:  # fmt: skip
    name = getattr(model, "__name__", type(model).__name__)
    if isinstance(model, nn.Module):
        name += f", {sum(p.numel() for p in model.parameters()):,} parameters"
    mode = (
        ""
        if not isinstance(model, nn.Module)
        else f", in {'training' if settings.training else 'evaluation'} mode"
    )
    sizes = [one.num_nodes for one in trial.data]
    extra = len(trial.data) - trial.given
    data = f"{trial.given} of {origin}" if not origin.startswith("small") else f"{trial.given} {origin}"
    data += f", and {extra} symmetric ones" if extra else ""
    moved = ", ".join(f"{k} is {rep}" for k, rep in trial.reps.items()) or "nothing"
    facts = [
        ("model", name),
        (
            "called as",
            f"{binding}{mode}" + ("" if settings.edges is None else f", edges within {settings.edges:g}"),
        ),
        ("group", str(trial.group)),
        ("data", f"{data}, of {min(sizes)} to {max(sizes)} nodes"),
        ("transforms", moved),
    ]
    for one in trial.outputs:
        kind = str(one.rep).removeprefix("a ")
        how = "declared" if one.declared else "guessed; declare it by output= (--output)"
        facts.append(
            (f"output {one.name}", f"{kind} of each {'structure' if one.level == 'graph' else 'node'} ({how}), "
             f"size {one.size:.2g}, variation {one.variation:.2g}")
        )  # fmt: skip
    facts += [("precision", f"{k} cannot be checked: {v}") for k, v in failed.items()]
    if trial.lowered:
        facts.append(("precision", "in float64 the model computes in float32 inside, at least in part"))
    return facts
