"""Finite outputs, determinism, precision, and what the training mode changes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from fa_pyg.testing.reports.outputs import Output
from fa_pyg.testing.reports.result import FAULT, NONE, OK, Row, Section, Worst
from fa_pyg.testing.reports.structures import changed, name_of
from fa_pyg.testing.reports.subject import ModelError, Subject
from fa_pyg.testing.reports.trial import Tally, Trial

__all__ = ["check_finite", "check_modes", "check_repeated", "computes_lower"]

RANDOM = "outputs are random"


def check_finite(
    trial: Trial,
    infinite: Sequence[Data],
    left_out: Sequence[tuple[Data, str]],
    symmetric: Sequence[tuple[Data, str]],
) -> Section:
    """Check that outputs are finite, and that the model takes all structures.

    Args:
        trial: with the structures of finite outputs.
        infinite: structures of other outputs.
        left_out: structures that the model does not take, and what it raises.
        symmetric: the same of the symmetric structures, which it need not take.
    """
    rows = [_raised(trial, left_out)] if left_out else []
    for output in trial.outputs:
        bad = [one for one in infinite if not _is_finite(trial, one, output)]
        note = f"NaN or infinite on {len(bad)} of {len(trial.data) + len(infinite)} structures" if bad else ""
        worst = Worst((bad[0],), None, "the output is not finite") if bad else None
        where = name_of(bad[0]) if bad else ""
        rows.append(
            Row("all structures", output.name, FAULT if bad else OK, where=where, note=note, worst=worst)
        )
    remarks = [f"left out, as the model raises {text}" for _, text in left_out[1:3]]
    remarks += [f"and {len(left_out) - 3} structures more"] * (len(left_out) > 3)
    if symmetric:
        names = ", ".join(name_of(one) for one, _ in symmetric)
        remarks.append(f"symmetric structures left out, as the model raises {symmetric[0][1]}: {names}")
    remarks += ["the other checks leave out structures without finite outputs"] * bool(infinite)
    good = f"on all {len(trial.data)} structures"
    return Section("finite", "outputs are finite numbers", tuple(rows), remarks=tuple(remarks), good=good)


def _raised(trial: Trial, left_out: Sequence[tuple[Data, str]]) -> Row:
    """Row of structures that the model does not take."""
    (first, error), count = left_out[0], len(left_out)
    note = f"on {count} of {count + trial.taken} structures the model raises {error}"
    worst = Worst((first,), None, f"the model raises {error}")
    verdict = NONE if trial.allow_errors else FAULT
    return Row("call", "", verdict, where=name_of(first), note=note, worst=worst)


def _is_finite(trial: Trial, data: Data, output: Output) -> bool:
    return all(bool(subject([data])[0][output.name].isfinite().all()) for subject in trial.subjects.values())


def check_repeated(trial: Trial) -> Section:
    """Compare calls with the same input."""
    tally = Tally(replace(trial, noise={}))

    def worst(k: int) -> Worst:
        return Worst((trial.data[k],), None, "two calls with this input give different outputs")

    for _ in range(2):
        tally.compare("same input again", trial.data, lambda k, output, value: value, worst)
    rows = tuple(replace(row, note=RANDOM if row.verdict == FAULT else row.note) for row in tally.rows())
    remarks = ()
    if any(row.verdict == FAULT for row in rows):
        remarks = (
            "is dropout on, or does it draw random numbers? Other errors are compared with this noise",
        )
    return Section(
        "determinism", "the same input gives the same output", rows, remarks=remarks, good="bit by bit"
    )


def check_modes(trial: Trial, model: Callable, make: Callable[[bool], Subject], training: bool) -> Section:
    """Tell what differs between training and evaluation mode; no fault."""
    title = "training and evaluation mode"
    if not isinstance(model, nn.Module):
        return Section("modes", title, reason="the model is not a torch.nn.Module")
    kinds = sorted({type(part).__name__ for part in model.modules() if _depends_on_mode(part)})
    mode = "training" if training else "evaluation"
    remarks = [
        f"checked in {mode} mode" + (f"; layers that depend on it: {', '.join(kinds)}" if kinds else "")
    ]
    try:
        found = make(not training)(trial.data, together=trial.best.together)
    except ModelError as error:
        note = f"in the other mode the model raises {error}"
        return Section("modes", title, (Row("other mode", "", NONE, note=note),), remarks=tuple(remarks))
    reference, rows = trial.reference(list(trial.subjects)[-1]), []
    for output in trial.outputs:
        pairs = zip(found, reference, strict=True)
        error = _largest([_difference(a[output.name], b[output.name]) for a, b in pairs])
        relative = error / output.variation if output.variation else error
        rows.append(
            Row("other mode", output.name, OK, {_precision(trial): relative}, note=_differs(relative))
        )
    return Section("modes", title, tuple(rows), remarks=tuple(remarks))


def _precision(trial: Trial) -> str:
    return list(trial.subjects)[-1]


def _differs(relative: float) -> str:
    return "outputs are the same in both modes" if relative < 1e-6 else "outputs differ between the modes"


def _depends_on_mode(part: nn.Module) -> bool:
    names = (nn.modules.batchnorm._NormBase, nn.modules.dropout._DropoutNd)
    return isinstance(part, names) or type(part).__name__ in ("BatchNorm", "PerMode", "Sample")


def _difference(a: Tensor, b: Tensor) -> float:
    return (a - b).abs().max().item() if a.numel() else 0.0


def _largest(values: Sequence[float]) -> float:
    return max((math.inf if math.isnan(v) else v for v in values), default=0.0)


def computes_lower(subject: Subject, data: Sequence[Data], outputs: Sequence[Output], sigma: float) -> bool:
    """Whether a model in float64 computes in a lower precision inside.

    Its outputs are then numbers of float32, or do not change for displacements that float32 does not resolve.
    """
    if subject.dtype != torch.float64:
        return False
    values = subject(data)
    alive = [one.name for one in outputs if one.variation]
    if not alive:
        return False
    if all(
        torch.equal(v[name], v[name].float().double())
        for v in values
        for name in alive
        if v[name].isfinite().all()
    ):
        return True
    if any(one.get("pos") is None for one in data):
        return False
    reach = max(one["pos"].abs().max().item() for one in data)
    step = max(1e-10 * reach, 1e-9 * sigma)
    ramp = [
        changed(one, pos=one["pos"] + step * torch.linspace(-1, 1, one["pos"].numel()).view_as(one["pos"]))
        for one in data
    ]
    moved = subject(ramp)
    return all(torch.equal(a[name], b[name]) for a, b in zip(values, moved, strict=True) for name in alive)
