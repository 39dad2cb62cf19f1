"""Report of a check: sections of rows, each with a verdict, and the worst inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from torch_geometric.data import Data

from fa_pyg.testing.motions import Motion

__all__ = ["FAULT", "NONE", "OK", "Curve", "Points", "Report", "Row", "Section", "Worst"]

OK, FAULT, NONE = "ok", "fault", "n/a"


@dataclass(frozen=True)
class Worst:
    """Input of the largest error.

    Attributes:
        structures: the structure, and those that it is compared with or that share its batch.
        motion: the motion that gives the error, or None.
        text: how to reproduce the error.
    """

    structures: tuple[Data, ...]
    motion: Motion | None = None
    text: str = ""


@dataclass(frozen=True)
class Row:
    """Largest error of a case.

    Attributes:
        case: what was done, such as ``"rotations"``.
        output: name of the output, or empty.
        verdict: ``"ok"``, ``"fault"`` or ``"n/a"``.
        errors: by precision (``"float64"``), relative to the variation of the output.
        limit: bound on the error in the highest precision.
        where: the structure of the largest error.
        note: reason of the verdict.
        worst: input of the largest error.
    """

    case: str
    output: str = ""
    verdict: str = OK
    errors: dict[str, float] = field(default_factory=dict)
    limit: float | None = None
    where: str = ""
    note: str = ""
    worst: Worst | None = None

    @property
    def largest(self) -> float | None:
        """Largest error, in the highest precision; None without one."""
        return list(self.errors.values())[-1] if self.errors else None


@dataclass(frozen=True)
class Curve:
    """Energy along a scan.

    Attributes:
        title: of the plot.
        x, y: values.
        mark: x of a kink or jump, or None.
    """

    title: str
    x: Sequence[float]
    y: Sequence[float]
    mark: float | None = None
    xlabel: str = "displacement"


@dataclass(frozen=True)
class Points:
    """Scatter of two quantities that should be equal."""

    title: str
    x: Sequence[float]
    y: Sequence[float]
    xlabel: str = "finite difference"
    ylabel: str = "model"


@dataclass(frozen=True)
class Section:
    """Section of a report.

    Attributes:
        name: as in ``only=``.
        title: what is checked, in a sentence.
        rows: one for each case and output.
        reason: why nothing was checked.
        remarks: what else is to say.
        unit: of the errors.
        good: outcome in words, if nothing is wrong and there are no errors to show.
        plots: curves and scatter plots.
    """

    name: str
    title: str
    rows: tuple[Row, ...] = ()
    reason: str = ""
    remarks: tuple[str, ...] = ()
    unit: str = "relative to the variation of the output"
    good: str = ""
    plots: tuple[Curve | Points, ...] = ()

    @property
    def verdict(self) -> str:
        """Verdict of the section: fault if a row is."""
        verdicts = [row.verdict for row in self.rows]
        return FAULT if FAULT in verdicts else OK if OK in verdicts else NONE

    @property
    def worst(self) -> Row | None:
        """Row that the summary shows: the largest error, faults first."""
        rows = [row for row in self.rows if row.largest is not None]
        faults = [row for row in self.rows if row.verdict == FAULT]
        if faults and not any(row.largest is not None for row in faults):
            return faults[0]
        shown = [row for row in rows if not faults or row in faults]
        return max(shown, key=lambda row: (not faults and bool(row.note), _size(row)), default=None)


def _size(row: Row) -> float:
    value = row.largest
    return float("inf") if value is None or value != value else value


@dataclass(frozen=True)
class Report:
    """Outcome of :func:`fa_pyg.testing.report`.

    Attributes:
        facts: model, data, outputs, ..., in words.
        sections: one for each check.
        seconds: time that it took.
        structures: number of structures that the model was called with.
        raised: number of those on which it raises, which are left out of the checks.
        allow_errors: whether that is accepted.
    """

    facts: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    seconds: float = 0.0
    structures: int = 0
    raised: int = 0
    allow_errors: bool = False

    @property
    def passed(self) -> bool:
        """Whether something was checked, no fault was found, and the model takes all structures."""
        return not self.faults and not self.is_empty and (self.allow_errors or not self.raised)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was checked, apart from what holds of any constant."""
        main = [section for section in self.sections if section.name not in ("finite", "modes")]
        return all(section.verdict == NONE for section in main or self.sections)

    @property
    def faults(self) -> list[tuple[Section, Row]]:
        """Rows with a fault."""
        return [(section, row) for section in self.sections for row in section.rows if row.verdict == FAULT]

    def __getitem__(self, name: str) -> Section:
        """Section of a name.

        Raises:
            KeyError: for a section that was not asked for.
        """
        return {section.name: section for section in self.sections}[name]

    def text(self) -> str:
        """Text of the report, at most 100 columns wide."""
        from fa_pyg.testing.reports.text import text

        return text(self)

    def html(self) -> str:
        """One page with plots, which needs no other file."""
        from fa_pyg.testing.reports.page import page

        return page(self)

    def save(self, folder: str | Path) -> list[Path]:
        """Write ``report.txt``, ``report.html`` and the worst inputs; return the files.

        Raises:
            ValueError: for a folder that cannot be written to.
        """
        from fa_pyg.testing.reports.saved import save

        return save(self, folder)
