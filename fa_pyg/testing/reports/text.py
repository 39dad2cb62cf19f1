"""Report as text, at most 100 columns wide."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from fa_pyg.testing.reports.result import FAULT, NONE, OK, Report, Row, Section

__all__ = ["columns", "conclusion", "figure", "summary", "text"]

WIDTH = 100


def text(report: Report) -> str:
    """Write a report: facts, a line for each section, then the rows of each."""
    lines = ["Is the model what it should be?", ""]
    for name, fact in report.facts:
        lines += _wrapped(f"  {name:<16s} ", fact)
    lines += ["", "Summary (errors relative to the variation of the output)", ""]
    for section in report.sections:
        lines += _wrapped(f"  {_mark(section.verdict)} {section.name:<14s} ", summary(section))
    for section in report.sections:
        lines += ["", *_section(section)]
    lines += ["", conclusion(report)]
    return "\n".join(_printable(line.rstrip()) for line in lines) + "\n"


def _printable(line: str) -> str:
    """Replace what a terminal might obey: names of files and outputs may hold anything."""
    return "".join(c if c.isprintable() else "?" for c in line)


def conclusion(report: Report) -> str:
    """Result in a sentence."""
    return f"{_found(report)} ({report.seconds:.0f} s)"


def _found(report: Report) -> str:
    faults = sorted({section.name for section, _ in report.faults})
    good, all_of_them = report.structures - report.raised, report.structures
    raises = f"; the model raises on {report.raised} of {all_of_them} structures" if report.raised else ""
    if faults:
        return f"Faults in {', '.join(faults)}{raises}."
    if report.is_empty:
        return f"Nothing could be checked; the sections say why{raises}."
    if not report.raised:
        return "No fault was found."
    passed = f"No fault was found on {good} of {all_of_them} structures; on {report.raised} the model raises"
    return f"{passed}, which is accepted." if report.allow_errors else f"{passed}. Not passed."


def summary(section: Section) -> str:
    """Outcome of a section in a line."""
    if section.reason:
        return section.reason
    row = section.worst
    if row is None or (row.verdict != FAULT and not row.largest and not row.note):
        notes = [row.note for row in section.rows if row.note]
        return (section.good if section.verdict == OK else "") or (notes[0] if notes else section.title)
    if row.verdict != FAULT and not row.largest:
        return row.note
    error = "" if row.largest is None else f"{row.largest:.1e}"
    if row.verdict == FAULT:
        head = ", ".join(filter(None, (row.output, row.case)))
        found = " ".join(filter(None, (error, f"on {row.where}" * bool(row.where))))
        return ": ".join(filter(None, (head, found, row.note)))
    where = ", ".join(filter(None, (row.output, row.case, f"on {row.where}" * bool(row.where))))
    note = f"; {row.note}" if row.note else ""
    return f"largest error {error} ({where}){note}"


def _section(section: Section) -> Iterator[str]:
    head = f"{section.name}: {section.title}"
    yield from _wrapped("", head)
    yield "-" * min(len(head), WIDTH)
    if section.reason:
        yield from _wrapped("  not applicable: ", section.reason)
    precisions, has_limits = columns(section)
    if precisions:
        heads = "".join(f"{p:>10s}" for p in precisions) + f"{'allowed':>10s}" * has_limits
        yield f"  {'':5s} {'case':<30s} {'output':<10s}{heads}  worst on"
    for row in section.rows:
        yield from _row(row, precisions, has_limits)
    if precisions and section.unit != Section.unit:
        yield from _wrapped("  errors are ", section.unit)
    for remark in section.remarks:
        yield from _wrapped("  note: ", remark)


def columns(section: Section) -> tuple[list[str], bool]:
    """Precisions of the errors of a section, and whether it has bounds of them."""
    precisions = list(dict.fromkeys(p for row in section.rows for p in row.errors))
    return precisions, any(row.limit is not None for row in section.rows)


def _row(row: Row, precisions: list[str], has_limits: bool) -> Iterator[str]:
    figures = "".join(f"{figure(row.errors.get(p)):>10s}" for p in precisions)
    figures += f"{figure(row.limit):>10s}" * has_limits
    words = f"  {_mark(row.verdict)} {row.case[:30]:<30s} {row.output[:10]:<10s}{figures}  {row.where}"
    yield words if len(words) <= WIDTH else words[: WIDTH - 3] + "..."
    if row.note:
        yield from _wrapped("        ", row.note)


def figure(value: float | None) -> str:
    """Error as the tables show it."""
    return "" if value is None else "0" if value == 0 else f"{value:.1e}"


def _mark(verdict: str) -> str:
    return {FAULT: "FAULT", NONE: "n/a  "}.get(verdict, "ok   ")


def _wrapped(head: str, body: str) -> list[str]:
    return textwrap.wrap(
        body, WIDTH, initial_indent=head, subsequent_indent=" " * len(head), break_on_hyphens=False
    ) or [head]
