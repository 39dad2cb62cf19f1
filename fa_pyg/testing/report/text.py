"""Report as text, at most 100 columns wide."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from fa_pyg.testing.report.result import FAULT, NONE, Report, Row, Section

__all__ = ["figure", "summary", "text"]

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
    return "\n".join(line.rstrip() for line in lines) + "\n"


def conclusion(report: Report) -> str:
    """Result in a sentence."""
    faults = sorted({section.name for section, _ in report.faults})
    if faults:
        return f"Faults in {', '.join(faults)}. ({report.seconds:.0f} s)"
    if not report.passed:
        return f"Nothing could be checked. ({report.seconds:.0f} s)"
    return f"No fault was found. ({report.seconds:.0f} s)"


def summary(section: Section) -> str:
    """Outcome of a section in a line."""
    if section.reason:
        return section.reason
    row = section.worst
    if row is None:
        notes = [row.note for row in section.rows if row.note] or [section.title]
        return notes[0]
    words = [row.output] * bool(row.output) + [row.case]
    words += [f"{row.largest:.1e}"] * (row.largest is not None) + [f"on {row.where}"] * bool(row.where)
    line = ", ".join(words)
    return f"{line}: {row.note}" if row.note else f"at most {line}" if row.largest is not None else line


def _section(section: Section) -> Iterator[str]:
    head = f"{section.name}: {section.title}"
    yield from _wrapped("", head)
    yield "-" * min(len(head), WIDTH)
    if section.reason:
        yield from _wrapped("  not applicable: ", section.reason)
    precisions = list(dict.fromkeys(p for row in section.rows for p in row.errors))
    if precisions:
        heads = "".join(f"{p:>10s}" for p in precisions)
        yield f"  {'':5s} {'case':<28s} {'output':<12s}{heads}  worst on"
    for row in section.rows:
        yield from _row(row, precisions)
    for remark in section.remarks:
        yield from _wrapped("  note: ", remark)


def _row(row: Row, precisions: list[str]) -> Iterator[str]:
    figures = "".join(f"{figure(row.errors.get(p)):>10s}" for p in precisions)
    yield f"  {_mark(row.verdict)} {row.case[:28]:<28s} {row.output[:12]:<12s}{figures}  {row.where}"[:WIDTH]
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
