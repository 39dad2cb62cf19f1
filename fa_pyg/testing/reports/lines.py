"""Continuity of the outputs along lines: random, through degenerate configurations, and pulled apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import torch
from torch import Tensor
from torch_geometric.data import Data

from fa_pyg.testing.continuity import Line, lines
from fa_pyg.testing.reports.jumps import Sharpest, jump, sharpest_steps
from fa_pyg.testing.reports.outputs import Output
from fa_pyg.testing.reports.result import FAULT, OK, Row, Section, Worst
from fa_pyg.testing.reports.structures import changed, count, name_of, spacing
from fa_pyg.testing.reports.subject import ModelError
from fa_pyg.testing.reports.trial import NOISES, Trial, extent

__all__ = ["apart", "check_continuity"]

STEPS, ZOOMS = 48, 3
SHRINK = 2.0  # factor by which the last refinement must reduce a sharp step; 8 at a kink
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


def _refined(trial: Trial, outputs: list[Output], base: Data, line: Line) -> Sharpest:
    def f(t: Tensor) -> Tensor:
        found = trial.best([changed(base, pos=one) for one in line.at(t)])
        return torch.stack([_row(one, outputs) for one in found])

    return sharpest_steps(f, STEPS, ZOOMS, 4 if trial.quick else 6)


def _row(values: Mapping[str, Tensor], outputs: list[Output]) -> Tensor:
    return torch.cat([values[one.name].flatten() / one.variation for one in outputs])


def _rows(
    trial: Trial, outputs: list[Output], case: str, base: Data, line: Line, found: Sharpest
) -> Iterator[Row]:
    floors = {one.name: _floor(trial, one, base, line) for one in outputs}
    at = found.worst(min(floors.values()), SHRINK)
    around = [changed(base, pos=pos) for pos in line.at(found.points[0 if at is None else at])]
    values, (low, high) = trial.best(around), around[2:4]
    precision, distance = list(trial.subjects)[-1], (low["pos"] - high["pos"]).abs().max().item()
    for output in outputs:
        some = [one[output.name] for one in values]
        size = jump(some).norm().item() / output.variation
        if at is None or size <= max(floors[output.name], 0.1 * found.after[at].item()):
            yield Row(case, output.name, OK)
            continue
        is_finite = all(bool(one.isfinite().all()) for one in some)
        note = (
            f"it jumps where no point moves by more than {distance:.1e}" if is_finite else "it is not finite"
        )
        worst = Worst((low, high), None, f"{output.title}: {note}, between these two structures")
        limit = floors[output.name]
        yield Row(case, output.name, FAULT, {precision: size}, limit, line.name, note, worst)


def _floor(trial: Trial, output: Output, base: Data, line: Line) -> float:
    """Size of the smallest jump that counts, relative to the variation: beyond rounding and noise."""
    low, high = (changed(base, pos=pos) for pos in line.at(torch.tensor([-1.0, 1.0], dtype=torch.float64)))
    reach = max(extent(low), extent(high))
    error = trial.allowed(output, trial.precision_inside, output.size, reach)
    return FLOOR + (3 * error + NOISES * trial.noise.get(output.name, 0.0)) / output.variation
