"""Energies along stretched bonds: kinks and jumps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch_geometric.data import Data

from fa_pyg.neighbors.covalent import covalent_bonds
from fa_pyg.testing.curvature import stretches
from fa_pyg.testing.reports.lines import apart
from fa_pyg.testing.reports.outputs import Output
from fa_pyg.testing.reports.result import FAULT, NONE, OK, Curve, Row, Section, Worst
from fa_pyg.testing.reports.structures import changed, count, name_of
from fa_pyg.testing.reports.subject import ModelError
from fa_pyg.testing.reports.trial import Trial, extent

__all__ = ["Sharp", "check_scans", "sharpest"]

STEPS, CUT = 96, 4  # steps of a scan, and ratio of the coarse and the fine step of second differences
ZOOMS, ZOOM, CLOSER = 3, 8, 16  # number of refinements, their factor, and the steps of each
KINK, JUMP = 2.5, 8.0  # growth of second differences: 1 for smooth energies, 4 at a kink, 16 at a jump
UNIT = "relative to the range of the energy along the scan, or to its largest slope"
SHARE = 1e-3  # of the largest slope, or of the range: smaller kinks and jumps do not count
NOISE = 100  # roundings in a second difference
WORDS = {
    "kink": ("the energy has a kink, where the force jumps,", "of the largest slope"),
    "jump": ("the energy jumps", "of the range of the energy"),
    "not finite": ("the energy is not finite", "of a number"),
}


def check_scans(trial: Trial) -> Section:
    """Stretch bonds, and pull structures apart, and search for kinks and jumps of the energy."""
    title = "the energy is smooth along bond scans"
    energy = trial.output("energy")
    if energy is None or energy.variation == 0:
        reason = "no output is an energy" if energy is None else "the energy is the same for all positions"
        return Section("smoothness", title, reason=reason)
    if any(one.get("pos") is None for one in trial.data):
        return Section("smoothness", title, reason="the data have no positions (pos)")
    if trial.is_random:
        return Section("smoothness", title, reason="the model is not deterministic")
    rows, curves = [], []
    for name, data, f, span in _scans(trial, energy.name):
        try:
            found = sharpest(f, *span, _noise(trial, energy, data))
        except ModelError as error:
            verdict, note = NONE if trial.allow_errors else FAULT, f"the model raises {error}"
            rows.append(Row(name, energy.name, verdict, note=note, where=name_of(data)))
            continue
        rows.append(_row(trial, name, energy.name, data, f, found))
        mark = found.at if rows[-1].verdict == FAULT else None
        curves.append(Curve(f"{name}, {name_of(data)}", found.t.tolist(), found.values.tolist(), mark))
    if not rows:
        return Section("smoothness", title, reason="there are no bonds")
    good = f"no kink or jump along {len(rows)} scans"
    return Section("smoothness", title, tuple(rows), unit=UNIT, good=good, plots=tuple(curves))


def _noise(trial: Trial, energy: Output, data: Data) -> float:
    """Rounding error of an energy."""
    eps = torch.finfo(getattr(torch, trial.precision_inside)).eps
    return NOISE * eps * trial.condition(energy, energy.size, extent(data))


class _Along:
    """Energy of a structure along a direction."""

    def __init__(self, trial: Trial, name: str, data: Data, direction: Tensor) -> None:
        self.trial, self.name, self.data, self.direction = trial, name, data, direction

    def at(self, t: float) -> Data:
        return changed(self.data, pos=self.data["pos"] + t * self.direction)

    def __call__(self, t: Tensor) -> Tensor:
        found = self.trial.best([self.at(one) for one in t.tolist()])
        return torch.stack([one[self.name].sum() for one in found])


def _scans(trial: Trial, energy: str) -> Iterator[tuple[str, Data, _Along, tuple[float, float]]]:
    (most, bonds_of_each), length = (1, 1) if trial.quick else (3, 2), 10 * trial.sigma
    some = [one for one in trial.data[: trial.given] if count(one) > 1]
    some = some[:: max(1, len(some) // most)][:most]
    for data in some:
        bonds = _bonds(data)
        keep = bonds[:, torch.randperm(bonds.size(1), generator=trial.generator)[:bonds_of_each]]
        for (i, j), direction in zip(keep.T.tolist(), stretches(data["pos"], keep), strict=True):
            bond = (data["pos"][i] - data["pos"][j]).norm().item()
            along = _Along(trial, energy, data, direction)
            yield (
                f"bond {_atom(data, i)}-{_atom(data, j)} stretched",
                data,
                along,
                (-0.25 * bond, 0.75 * bond),
            )
    for data in some[:1]:
        line = apart(data["pos"], length, name_of(data))
        along = _Along(trial, energy, data, 2 * line.direction / line.direction.norm(dim=1).max() / 2)
        yield "pulled apart", data, along, (0.0, 8.0 * length)


def _bonds(data: Data) -> Tensor:
    """Pairs of bonded atoms, or of each point and its nearest neighbor."""
    if data.get("z") is not None and data["pos"].size(1) == 3:
        found = covalent_bonds(data["z"], data["pos"])
        if found.size(1):
            return found
    distance = torch.cdist(data["pos"], data["pos"]).fill_diagonal_(torch.inf)
    pairs = torch.stack([torch.arange(len(data["pos"])), distance.argmin(1)])
    return pairs[:, distance.amin(1).isfinite() & (distance.amin(1) > 0)]


def _atom(data: Data, k: int) -> str:
    from ase.data import chemical_symbols

    z = data.get("z")
    return str(k) if z is None or not 0 < int(z[k]) <= 118 else f"{chemical_symbols[int(z[k])]}{k}"


def _row(trial: Trial, case: str, energy: str, data: Data, f: _Along, found: Sharp) -> Row:
    precision, where = list(trial.subjects)[-1], name_of(data)
    if found.kind == "smooth":
        return Row(case, energy, OK, where=where)
    note, unit = WORDS[found.kind]
    note = f"{note} at {found.at:.6g}"
    pair = (f.at(found.at - found.step), f.at(found.at + found.step))
    worst = Worst(pair, None, f"{note}, {found.size:.2e} {unit}; the structures just before and after it")
    errors = {precision: found.size}
    return Row(case, energy, FAULT, errors, SHARE, where, f"{note} ({unit})", worst)


@dataclass
class Sharp:
    """Sharpest feature of a scan.

    Attributes:
        t, values: the scan.
        kind: ``"smooth"``, ``"kink"``, ``"jump"`` or ``"not finite"``.
        at: position of the feature, up to ``step``.
        size: of a jump, relative to the range of the values, or of the change of slope at a kink, relative to
            the largest slope; 0 for smooth ones.
    """

    t: Tensor
    values: Tensor
    kind: str = "smooth"
    at: float = 0.0
    step: float = 0.0
    size: float = 0.0


def sharpest(f: Callable[[Tensor], Tensor], low: float, high: float, floor: float) -> Sharp:
    """Search a function on an interval for kinks and jumps, by second differences that grow under refinement.

    Args:
        f: function ``[T]`` to ``[T]``.
        low, high: ends of the interval.
        floor: rounding error of a second difference.

    Not guaranteed: to find a feature narrower than the grid that does not show there.
    """
    t = torch.linspace(low, high, STEPS + 1, dtype=torch.float64)
    values = f(t)
    scan = Sharp(t, values)
    if not values.isfinite().all():
        return Sharp(t, values, "not finite", float(t[~values.isfinite()][0]), 0.0, torch.inf)
    spread = (values.max() - values.min()).item()
    slope = (values.diff() / t.diff()).abs().max().item()
    for where in _candidates(values, floor):
        one = _zoomed(f, float(t[where]), (high - low) / STEPS, floor)
        if one is None:
            continue
        growth, at, h, second = one
        kind = "jump" if growth > JUMP else "kink" if growth > KINK else "smooth"
        size = second * h**2 / spread if kind == "jump" else second * h / slope
        if kind != "smooth" and size > SHARE and second * h**2 > floor and size > scan.size:
            scan = Sharp(t, values, kind, at, h, size)
    return scan


def _candidates(values: Tensor, floor: float, most: int = 3) -> list[int]:
    """Positions of the largest second differences, and of those that are largest beside coarse ones."""
    fine = (values[2:] - 2 * values[1:-1] + values[:-2]).abs()
    around = (
        torch.nn.functional.pad(fine.view(1, 1, -1), (3, 3), mode="replicate").unfold(2, 7, 1).flatten(0, 1)
    )
    typical = around.median(dim=-1).values.flatten()
    contrast = fine / (typical + floor)
    found = torch.cat([fine.topk(1).indices, contrast.topk(most).indices]) + 1
    return list(dict.fromkeys(found.tolist()))


def _zoomed(
    f: Callable[[Tensor], Tensor], at: float, h: float, floor: float
) -> tuple[float, float, float, float] | None:
    """Growth of the second differences near a position, refined; None where rounding hides it."""
    last = None
    span = CUT * h / 2
    for _ in range(ZOOMS):
        t = at + torch.linspace(-span, span, CLOSER + 1, dtype=torch.float64)
        step, values = 2 * span / CLOSER, f(t)
        fine, coarse = (_second(values, k) / (k * step) ** 2 for k in (1, CUT))
        where = int(fine.argmax())
        largest = fine[where].item()
        if largest * step**2 < floor:
            break
        beside = coarse.max().item()
        at = float(t[where + 1])
        last = (largest / max(beside, 1e-300), at, step, largest)
        span = span / ZOOM
    return last


def _second(values: Tensor, step: int) -> Tensor:
    return (values[2 * step :] - 2 * values[step:-step] + values[: -2 * step]).abs()
