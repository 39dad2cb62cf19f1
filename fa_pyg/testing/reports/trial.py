"""State of a check: structures, model in each precision, outputs, and errors with what rounding allows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor
from torch_geometric.data import Data

from fa_pyg.groups import Group
from fa_pyg.reps import Rep
from fa_pyg.testing.motions import Motion
from fa_pyg.testing.reports.outputs import Output
from fa_pyg.testing.reports.result import FAULT, NONE, OK, Row, Worst
from fa_pyg.testing.reports.structures import changed, name_of
from fa_pyg.testing.reports.subject import ModelError, Subject

__all__ = ["NOISES", "ROUNDINGS", "SHRINKS", "Found", "Tally", "Trial", "extent", "judged"]

ROUNDINGS = 1000  # rounding errors that an error may amount to
SHRINKS = 1e-5  # an error that is smaller by this factor in float64 than in float32 is of rounding
LIMIT = 1e-6  # of the variation, for such errors
NOISES = 5  # times the noise that a model without determinism may differ
NOTED = 0.01  # of the variation: larger rounding errors in float32 are noted


@dataclass
class Trial:
    """State of a check.

    Attributes:
        data: structures.
        subjects: the model in each precision, by its name, lowest first.
        outputs: of the model.
        group, reps: the group, and the representations of the attributes that transform.
        sigma: displacement that ``Output.variation`` belongs to.
        generator: random numbers.
        quick: whether to save time.
        tol: bound on errors relative to the variation; None for what rounding allows.
        lowered: whether the model computes in float32 inside.
        elements: atomic numbers of the structures, if they have some.
        is_plain: whether the model takes points and elements alone.
        is_slow: whether the check is quick because the model is slow.
        noise: difference of an output between two calls, in the units of the output.
        given: number of structures of the user; the others are symmetric ones of the catalogue.
        taken: number of structures of the user that the model takes, finite outputs or not.
        allow_errors: whether the model may raise on some structures.
    """

    data: list[Data]
    subjects: dict[str, Subject]
    outputs: list[Output]
    group: Group
    reps: dict[str, Rep]
    sigma: float
    generator: torch.Generator
    quick: bool = False
    tol: float | None = None
    lowered: bool = False
    given: int = 0
    taken: int = 0
    allow_errors: bool = False
    elements: tuple[int, ...] | None = None
    is_plain: bool = False
    is_slow: bool = False
    noise: dict[str, float] = field(default_factory=dict)
    references: dict[str, list[dict[str, Tensor]]] = field(default_factory=dict)

    @property
    def best(self) -> Subject:
        """Model in the highest precision."""
        return list(self.subjects.values())[-1]

    @property
    def is_random(self) -> bool:
        """Whether the same input gives different outputs, beyond rounding."""
        size = {one.name: max(one.size, one.variation) for one in self.outputs}
        return any(noise > 1e-4 * size[name] for name, noise in self.noise.items())

    @property
    def precision_inside(self) -> str:
        """Precision that the model computes in, in the highest precision."""
        return "float32" if self.lowered else list(self.subjects)[-1]

    def output(self, role: str) -> Output | None:
        """Output of a role, None if there is not exactly one."""
        fits = [one for one in self.outputs if one.role == role]
        return fits[0] if len(fits) == 1 else None

    def reference(self, precision: str) -> list[dict[str, Tensor]]:
        """Outputs of the structures as they are."""
        if precision not in self.references:
            self.references[precision] = self.subjects[precision](self.data)
        return self.references[precision]

    def moved(self, data: Data, g: Motion) -> Data:
        """Structure after a motion."""
        values = {name: g(data[name], rep) for name, rep in self.reps.items() if name in data}
        return changed(data, **values)

    def allowed(self, output: Output, precision: str, size: float, reach: float) -> float:
        r"""Error that rounding may cause: 1000 roundings of the output and of the coordinates.

        .. math:: 1000\, \varepsilon \,(|y| + \frac{\Delta y}{\sigma} |x|)
        """
        eps = torch.finfo(getattr(torch, precision)).eps
        return ROUNDINGS * eps * self.condition(output, size, reach)

    def condition(self, output: Output, size: float, reach: float) -> float:
        """Change of an output for a relative change of itself and of the coordinates of 1."""
        return max(size, output.size) + output.variation / self.sigma * reach


@dataclass
class Found:
    """Largest error of a case, relative to what rounding allows, and the number of its structure."""

    ratio: float
    error: float
    allowed: float
    condition: float
    number: int
    worst: Worst | None = None


class Tally:
    """Largest errors of the cases of a section, by output and precision."""

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self.found: dict[tuple[str, str], dict[str, Found]] = {}
        self.usual: dict[tuple[str, str], dict[str, Found]] = {}  # without the symmetric structures added
        self.failed: list[Row] = []

    def compare(
        self,
        case: str,
        moved: Sequence[Data],
        expected: Callable[[int, Output, Tensor], Tensor],
        worst: Callable[[int], Worst],
        run: Callable[[Subject, Sequence[Data]], list[dict[str, Tensor]]] = lambda subject, data: subject(
            data
        ),
    ) -> None:
        """Compare the outputs of changed structures with what is expected of the unchanged ones.

        Args:
            case: name of the case.
            moved: the structures, changed.
            expected: output expected, of the structure's number, the output, and its value before.
            worst: the input of a structure's number, in the report.
            run: how the model is called.
        """
        trial = self.trial
        for precision, subject in trial.subjects.items():
            try:
                found = run(subject, moved)
            except ModelError as error:
                self.failed.append(
                    Row(case, "", FAULT, note=f"{precision}: the model raises {error}", worst=worst(0))
                )
                continue
            for k, (new, old) in enumerate(zip(found, trial.reference(precision), strict=True)):
                reach = max(extent(moved[k]), extent(trial.data[k]))
                for output in trial.outputs:
                    a, b = new[output.name], expected(k, output, old[output.name])
                    self._add(case, output, precision, k, a, b, reach, worst)

    def _add(
        self, case: str, output: Output, precision: str, k: int, a: Tensor, b: Tensor, reach: float,
        worst: Callable[[int], Worst],
    ) -> None:  # fmt: skip
        if a.shape != b.shape:
            error, size = math.inf, 0.0
        elif not a.numel():
            return
        else:
            error, size = (a - b).abs().max().item(), b.abs().max().item()
        if not math.isfinite(size) or output.variation == 0:
            return  # reported in another section
        error = math.inf if math.isnan(error) else error
        allowed = self.trial.allowed(output, precision, size, reach)
        condition = self.trial.condition(output, size, reach)
        one = Found(error / allowed, error, allowed, condition, k)
        for table in [self.found, self.usual][: 1 + (k < self.trial.given)]:
            found = table.setdefault((case, output.name), {})
            if precision not in found or one.ratio > found[precision].ratio:
                found[precision] = replace(one, worst=worst(k))

    def rows(self) -> list[Row]:
        """Rows of all cases, in the order of their first trial."""
        outputs = {one.name: one for one in self.trial.outputs}
        rows = [self._row(case, outputs[name], found) for (case, name), found in self.found.items()]
        seen = {row.output for row in rows}
        constant = [
            Row("all", one.name, NONE, note=_constant(one))
            for one in self.trial.outputs
            if one.name not in seen
        ]
        return [*self.failed, *rows, *(constant if not self.failed else [])]

    @property
    def is_at_fault(self) -> bool:
        """Whether there is a fault on structures other than the symmetric ones added."""
        outputs = {one.name: one for one in self.trial.outputs}
        usual = ((outputs[name], found) for (_, name), found in self.usual.items())
        return bool(self.failed) or any(judged(self.trial, *pair)[0] == FAULT for pair in usual)

    def _row(self, case: str, output: Output, found: dict[str, Found]) -> Row:
        verdict, note = judged(self.trial, output, found)
        errors = {precision: one.error / output.variation for precision, one in found.items()}
        last = list(found.values())[-1]
        usual = self.usual.get((case, output.name))
        if verdict == FAULT and usual and judged(self.trial, output, usual)[0] != FAULT:
            note += "; only on symmetric structures, where the output may jump"
        limit = last.allowed / output.variation if self.trial.tol is None else self.trial.tol
        return Row(
            case, output.name, verdict, errors, limit, name_of(self.trial.data[last.number]), note, last.worst
        )


def judged(trial: Trial, output: Output, found: dict[str, Found]) -> tuple[str, str]:
    """Verdict on the errors of an output, and its reason."""
    precision, high = list(found.items())[-1]
    relative = high.error / output.variation
    noise = NOISES * trial.noise.get(output.name, 0.0)
    if noise and high.ratio > 1 and high.error <= noise:
        return NONE, "not above the noise of the model"
    if trial.tol is not None:
        return (OK, "") if relative <= trial.tol else (FAULT, f"above the bound of {trial.tol:g}")
    low = found.get("float32")
    if high.ratio <= 1:
        rough = low is not None and low is not high and low.error / output.variation > NOTED
        return OK, "rounding; large in float32" if rough else ""
    if precision != "float64":
        return FAULT, f"larger than rounding in {precision} explains"
    if low is high:
        low = None
    if low is not None and high.error <= SHRINKS * low.error and relative <= LIMIT:
        return OK, "rounding, amplified: it shrinks with the precision"
    inner = torch.finfo(torch.float32).eps * (ROUNDINGS if trial.lowered else 10)
    if high.error <= inner * high.condition and (trial.lowered or relative < 10 * LIMIT):
        return OK, "does not shrink, but is below the precision of float32: float32 numbers inside?"
    if low is None:
        return FAULT, "larger than rounding in float64 explains"
    if high.error > 0.1 * low.error:
        return FAULT, "the same in float64 as in float32: not rounding"
    return FAULT, "does not shrink with the precision as rounding does"


def _constant(output: Output) -> str:
    return f"{output.name} is the same for all positions (are the last weights 0?): nothing to compare"


def extent(data: Data) -> float:
    """Largest coordinate of a structure, or entry of its features."""
    value = data.get("pos") if data.get("pos") is not None else data.get("x")
    if not isinstance(value, Tensor) or not value.numel():
        return 1.0
    return max(value.abs().max().item(), 1e-6)
