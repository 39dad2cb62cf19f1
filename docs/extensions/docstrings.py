"""What the docstrings of fa_pyg mean where napoleon reads something else."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["setup", "split_attributes"]

NAMES = re.compile(r"(\s*)(\w+(?:, \w+)+): (.*)")


def split_attributes(lines: list[str]) -> list[str]:
    """Return a docstring with an entry for each attribute, where `a, b: text` describes several."""
    result, inside = [], False
    for line in lines:
        inside = line.strip() == "Attributes:" or (inside and (not line or line.startswith(" ")))
        match = NAMES.fullmatch(line) if inside else None
        indent, names, text = match.groups() if match else ("", "", "")
        result += [f"{indent}{name}: {text}" for name in names.split(", ")] if match else [line]
    return result


def process(app: Any, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Change the lines of a docstring in place."""
    lines[:] = split_attributes(lines)
    if what in ("attribute", "data", "property"):
        lines.insert(0, "\\")  # shown as nothing; else all before a colon in the first line would be its type


def setup(app: Any) -> dict[str, bool]:
    app.connect("autodoc-process-docstring", process, priority=400)  # before napoleon
    return {"parallel_read_safe": True, "parallel_write_safe": True}
