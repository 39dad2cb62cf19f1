"""Gradients of the outputs with respect to the positions (or features), which must be finite."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch_geometric.data import Data

from fa_pyg.testing.reports.outputs import Output
from fa_pyg.testing.reports.result import FAULT, NONE, OK, Row, Section, Worst
from fa_pyg.testing.reports.structures import name_of
from fa_pyg.testing.reports.subject import ModelError
from fa_pyg.testing.reports.trial import Trial

__all__ = ["check_gradients"]


def check_gradients(trial: Trial, model: object) -> Section:
    """Check that gradients exist and are finite on all structures, symmetric and straight ones included."""
    title = "gradients of the outputs are finite"
    name = "pos" if trial.data[0].get("pos") is not None else "x"
    if not all(isinstance(one.get(name), Tensor) and one[name].is_floating_point() for one in trial.data):
        return Section(
            "gradients", title, reason="the data have no positions (pos), nor features (x) of floating point"
        )
    needed = isinstance(model, nn.Module) and any(p.requires_grad for p in model.parameters())
    rows = [_row(trial, output, name, needed) for output in trial.outputs]
    return Section("gradients", title, tuple(rows), good=f"on all {len(trial.data)} structures")


def _row(trial: Trial, output: Output, name: str, needed: bool) -> Row:
    if output.variation == 0:
        return Row(f"by {name}", output.name, NONE, note=f"the output does not depend on {name}")
    missing, bad = 0, []
    for data in trial.data:
        try:
            gradient = _gradient(trial, data, output, name)
        except (ModelError, RuntimeError) as error:
            return Row(f"by {name}", output.name, FAULT, note=f"the gradient cannot be computed: {error}")
        if gradient is None:
            missing += 1
        elif not gradient.isfinite().all():
            bad.append(data)
    case = f"by {name}"
    if missing == len(trial.data):
        if not needed or trial.output("forces") is not None:
            return Row(case, output.name, NONE, note="the output has no gradient")
        note = f"the output changes with {name}, but has no gradient (torch.no_grad, detach, or numpy inside)"
        return Row(case, output.name, FAULT, note=note, worst=Worst((trial.data[0],), None, note))
    if bad:
        note = f"NaN or infinite on {len(bad)} of {len(trial.data)} structures"
        return Row(
            case, output.name, FAULT, where=name_of(bad[0]), note=note, worst=Worst((bad[0],), None, note)
        )
    return Row(case, output.name, OK)


def _gradient(trial: Trial, data: Data, output: Output, name: str) -> Tensor | None:
    """Gradient of the sum of an output; None if there is none."""
    subject = trial.best
    batch = subject.batch([data])
    batch[name].requires_grad_()
    value = subject.values([data], batch)[output.name]
    if not value.requires_grad:
        return None
    return torch.autograd.grad(value.sum(), batch[name], allow_unused=True)[0]
