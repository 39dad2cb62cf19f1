"""Mark tables of many columns, which scroll beside their first column (`site.css`)."""

from __future__ import annotations

from typing import Any

from docutils import nodes

__all__ = ["COLUMNS", "mark", "setup"]

COLUMNS = 7  # and more


def mark(app: Any, doctree: nodes.document) -> None:
    for table in doctree.findall(nodes.table):
        if any(group["cols"] >= COLUMNS for group in table.findall(nodes.tgroup)):
            table["classes"].append("many-columns")


def setup(app: Any) -> dict[str, bool]:
    app.connect("doctree-read", mark)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
