"""Outputs of a model with their sizes and variations; representations that are not declared are tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Data

from fa_pyg.reps import Rep, RepLike
from fa_pyg.testing.reports.motions import kinds
from fa_pyg.testing.reports.outputs import Output, described
from fa_pyg.testing.reports.structures import changed
from fa_pyg.testing.reports.subject import ModelError
from fa_pyg.testing.reports.trial import Trial

__all__ = ["measured_outputs"]

SMALL = 1e-9  # a guessed representation fits if the error is below it, relative to the output


def measured_outputs(
    trial: Trial, declared: Mapping[str, RepLike] | RepLike | None, data: Sequence[Data]
) -> list[Output]:
    """Describe the outputs, with sizes and variations if some structures have finite outputs."""
    subject, some = trial.best, trial.data[: trial.given] or data
    sample = subject.values(some[:1], subject.batch(some[:1]))
    if subject.together and len(some) > 1:
        sample = subject.values(some, subject.batch(some))
    found = described(sample, subject.levels, declared, trial.group.dim)
    if not trial.given:
        return found
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
    return changed(data, **values)


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
    vectors = [Rep(1, affine=True), Rep(1, pseudo=True)] if output.rep == Rep(1) else []
    options, some = [output.rep, Rep(0), *vectors], trial.data[: trial.given][:4]
    draws = [draw for case, draw in kinds(group).items() if case in ("rotations", "reflections", "elements")]
    moves = [replace(draw(trial.generator), translation=_shift(trial)) for draw in draws]
    before, errors = trial.best(some), dict.fromkeys(options, 0.0)
    for g in moves:
        after = trial.best([trial.moved(one, g) for one in some])
        for rep in options:
            pairs = zip(after, before, strict=True)
            error = max((a[output.name] - g(b[output.name], rep)).abs().max().item() for a, b in pairs)
            errors[rep] = max(errors[rep], error)
    best = min(options, key=lambda rep: errors[rep])
    scale = max(output.size, output.variation)
    bound = SMALL if list(trial.subjects)[-1] == "float64" and not trial.lowered else 1e-3
    return replace(output, rep=best) if errors[best] <= bound * scale else output


def _shift(trial: Trial) -> Tensor:
    """Translation by about ten spacings, if the group translates."""
    drawn = torch.randn(trial.group.dim, generator=trial.generator, dtype=torch.float64)
    return 100 * trial.sigma * drawn * trial.group.translates
