"""Continuity of the outputs along lines: random, through degenerate configurations, and pulled apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor
from torch_geometric.data import Data

from fa_pyg.testing.continuity import Line, RefinedSteps, lines, refined_steps
from fa_pyg.testing.reports.outputs import Output
from fa_pyg.testing.reports.result import FAULT, OK, Row, Section, Worst
from fa_pyg.testing.reports.structures import changed, count, name_of, spacing
from fa_pyg.testing.reports.subject import ModelError
from fa_pyg.testing.reports.trial import Trial, extent

__all__ = ["apart", "check_continuity"]

STEPS, ZOOMS, LARGEST, SHARPEST = 48, 3, 2, 3
SHRINK = 2.0  # factor by which the last refinement must reduce the largest step; 8 for smooth outputs
FLOOR = 1e-6  # of the variation; smaller jumps do not count
DISTANCE = 8.0  # to which halves of a structure are pulled apart, in spacings


def check_continuity(trial: Trial) -> Section:
    """Search for jumps of the outputs along lines of structures."""
    title = "outputs do not jump as points move"
    if any(one.get("pos") is None for one in trial.data):
        return Section("continuity", title, reason="the data have no positions (pos)")
    alive = [one for one in trial.outputs if one.variation]
    if not alive:
        return Section("continuity", title, reason="outputs are the same for all positions")
    if trial.is_random:
        return Section("continuity", title, reason="the model is not deterministic")
    rows, remarks, count = {}, [], 0
    for case, base, line in _lines(trial):
        try:
            found = _refined(trial, alive, base, line)
        except ModelError as error:
            if case == "degenerate" or trial.allow_errors:  # which the data need not have
                remarks.append(f"{case}: left out, as the model raises {error}")
            else:
                row = Row(case, "", FAULT, where=line.name, note=f"the model raises {error}")
                rows[case, ""] = row
            continue
        count += 1
        for row in _rows(trial, alive, case, base, line, found):
            key = (row.case, row.output)
            if key not in rows or _order(row) > _order(rows[key]):
                rows[key] = row
    good = f"no jump along {count} lines"
    return Section("continuity", title, tuple(rows.values()), remarks=tuple(remarks[:2]), good=good)


def _order(row: Row) -> tuple[bool, float]:
    return row.verdict == FAULT, row.largest or 0.0


def _lines(trial: Trial) -> Iterator[tuple[str, Data, Line]]:
    """Lines with the case that they belong to, and the structure whose other attributes they have."""
    some = [one for one in trial.data[: trial.given] if count(one) > 1][:: max(1, trial.given // 4)]
    for data in some[: 1 if trial.quick else 4]:
        yield "random directions", data, _random(trial, data)
    for data in some[: 1 if trial.quick else 2]:
        yield "pulled apart", data, apart(data["pos"], 10 * trial.sigma, name_of(data))
    dim = trial.data[0]["pos"].size(1)
    if dim in (2, 3) and trial.is_plain:
        for line in _degenerate(dim, few=trial.quick or not trial.best.together):
            scaled = _scaled(line, 10 * trial.sigma, trial.elements, trial.generator)
            base = Data(pos=line.start, name_=line.name)
            yield "degenerate", _with_elements(base, scaled), scaled


def _degenerate(dim: int, few: bool) -> list[Line]:
    """Lines through degenerate clouds, and close to those of equal eigenvalues, which lines seldom meet."""
    near = tuple(f"{kind}, offset 0.002" for kind in ("eigenvalues equal", "eigenvalues"))
    found = [line for line in lines(dim=dim) if line.name.endswith(("offset 0", *near))]
    return found[::3] if few else found


def _with_elements(base: Data, line: Line) -> Data:
    return base if line.z is None else changed(base, z=line.z)


def _random(trial: Trial, data: Data) -> Line:
    direction = torch.randn(data["pos"].shape, generator=trial.generator, dtype=torch.float64)
    return Line(name_of(data), data["pos"], 2 * trial.sigma * direction)


def apart(pos: Tensor, length: float, name: str) -> Line:
    """Line along which the halves of a cloud, cut across its longest axis, are pulled apart."""
    centered = pos - pos.mean(0)
    axis = torch.linalg.svd(centered, full_matrices=False)[2][0]
    along = centered @ axis
    far = (along > along.median()).double()
    if far.sum() == 0:
        far = (along >= along.max()).double()
    step = DISTANCE * length / 2 * far.unsqueeze(1) * axis
    return Line(f"{name}, pulled apart", pos + step, step)


def _scaled(line: Line, length: float, elements: tuple[int, ...] | None, generator: torch.Generator) -> Line:
    """Line with the spacing of the data, and with elements of the data for its colors."""
    factor = length / spacing(line.start)
    z = None
    if elements is not None:
        drawn = torch.tensor(elements)[torch.randint(len(elements), (200,), generator=generator)]
        z = drawn[:1].expand(len(line.start)).clone() if line.z is None else drawn[line.z]
    return replace(line, start=factor * line.start, direction=factor * line.direction, z=z)


def _refined(trial: Trial, outputs: list[Output], base: Data, line: Line) -> RefinedSteps:
    n = len(line.start)

    def f(z: Tensor | None, pos: Tensor, batch: Tensor) -> Tensor:
        made = [changed(base, pos=one) for one in pos.split(n)]
        found = trial.best(made)
        rows = [torch.cat([(one[o.name].flatten()) / o.variation for o in outputs]) for one in found]
        return torch.stack(rows)

    few = (1, 2) if trial.quick else (LARGEST, SHARPEST)
    return refined_steps(f, line, STEPS, ZOOMS, *few)


def _rows(
    trial: Trial, outputs: list[Output], case: str, base: Data, line: Line, found: RefinedSteps
) -> Iterator[Row]:
    low, high = (changed(base, pos=pos) for pos in line.at(found.interval))
    before, after = trial.best([low, high])
    precision, inside = list(trial.subjects)[-1], trial.precision_inside
    sizes, distance = found.sizes.tolist(), (low["pos"] - high["pos"]).abs().max().item()
    for output in outputs:
        a, b = before[output.name], after[output.name]
        step = (a - b).norm().item() / output.variation
        size = a.abs().max().item() if a.numel() else 0.0
        floor = FLOOR + 3 * trial.allowed(output, inside, size, extent(low)) / output.variation
        is_finite = bool(a.isfinite().all() and b.isfinite().all())
        shrinks = sizes[-1] <= floor or sizes[-1] * SHRINK <= sizes[-2]
        if is_finite and (shrinks or step <= max(floor, 0.1 * sizes[-1])):
            yield Row(case, output.name, OK)
            continue
        note = (
            f"it jumps where no point moves by more than {distance:.1e}" if is_finite else "it is not finite"
        )
        worst = Worst((low, high), None, f"{output.title}: {note}, between these two structures")
        yield Row(case, output.name, FAULT, {precision: step}, floor, line.name, note, worst)
