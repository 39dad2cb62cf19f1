"""Facts for the head of a report: model, call, data, outputs, precision."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from torch import nn

from fa_pyg.testing.reports.names import Binding
from fa_pyg.testing.reports.outputs import Output
from fa_pyg.testing.reports.structures import count
from fa_pyg.testing.reports.trial import Trial

__all__ = ["facts"]


def facts(
    model: Callable,
    binding: Binding,
    trial: Trial,
    origin: str,
    failed: Mapping[str, str],
    left_out: int,
    training: bool,
) -> Iterator[tuple[str, str]]:
    """Yield names and facts.

    Args:
        model: as given.
        binding: how it is called.
        trial: state of the check.
        origin: of the structures.
        failed: what the model raises in precisions that it does not take.
        left_out: number of structures that are not checked.
        training: whether it is in training mode.
    """
    is_module = isinstance(model, nn.Module)
    name = getattr(model, "__name__", type(model).__name__)
    if is_module:
        name += f", {sum(p.numel() for p in model.parameters()):,} parameters"
    yield "model", name
    mode = f", in {'training' if training else 'evaluation'} mode" if is_module else ""
    edges = trial.best.edges
    yield "called as", f"{binding}{mode}" + ("" if edges is None else f", edges within {edges:g}")
    yield "group", str(trial.group)
    yield (
        "data",
        _data(trial, origin) + (f"; {left_out} left out, which raise or are not finite" if left_out else ""),
    )
    if not {"cell", "data"} & {*binding.sources.values()} and any("cell" in one for one in trial.data):
        yield "cells", "not used: the model takes none"
    moved = ", ".join(f"{k} is {rep}" for k, rep in trial.reps.items())
    yield "transforms", moved or "nothing"
    for one in trial.outputs:
        yield one.title, _output(one)
    if trial.best.skipped:
        names = ", ".join(sorted(trial.best.skipped))
        yield "left out", f"outputs {names}, whose rows are neither nodes nor structures"
    if trial.best.others:
        names = ", ".join(f"{name} ({kind})" for name, kind in trial.best.others.items())
        yield "left out", f"outputs {names}, which are not real numbers"
    for precision, error in failed.items():
        yield "precision", f"{precision} cannot be checked: {error}"
    if trial.best.sets_default:
        yield "precision", "float64 by torch.set_default_dtype, without which the model fails"
    if trial.lowered:
        yield "precision", "in float64 the model computes in float32 inside, at least in part"
    if trial.is_slow:
        yield "effort", "reduced, as the model is slow; all motions, lines and scans by --full (quick=False)"


def _data(trial: Trial, origin: str) -> str:
    sizes, extra = [count(one) for one in trial.data], len(trial.data) - trial.given
    added = f", and {extra} symmetric ones" if extra else ""
    return f"{trial.given} {origin}{added}, of {min(sizes)} to {max(sizes)} nodes" if sizes else origin


def _output(output: Output) -> str:
    kind = str(output.rep).removeprefix("a ")
    rows = "structure" if output.level == "graph" else "node"
    role = f", the {output.role}" if output.role and output.role != output.name else ""
    how = "declared" if output.declared else "guessed; declare it by --output (output=)"
    return f"{kind} of each {rows}{role} ({how}), size {output.size:.2g}, variation {output.variation:.2g}"
