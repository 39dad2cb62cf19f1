"""Report on whether any model is equivariant, independent of the batch, conservative, continuous."""

from __future__ import annotations

from fa_pyg.testing.reports.result import Report, Row, Section, Worst
from fa_pyg.testing.reports.run import SECTIONS, report

__all__ = ["SECTIONS", "Report", "Row", "Section", "Worst", "report"]
