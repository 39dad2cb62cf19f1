"""A notebook to download for every page that is one, and a link to it below the title."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jupytext

__all__ = ["is_notebook", "link", "setup", "write"]

FOLDER = Path("_build") / "notebooks"
LINE = "{{download}}`Download this page as a notebook </{}>`\n"


def is_notebook(text: str) -> bool:
    return text.startswith("---\njupytext:")


def write(source: Path) -> list[Path]:
    """Write the notebook of each page below `source` that is one."""
    written = []
    for page in sorted({*source.glob("*.md"), *source.glob("tutorials/*.md")}):
        text = page.read_text(encoding="utf-8")
        if is_notebook(text):
            notebook = jupytext.reads(text, "md:myst")
            for number, cell in enumerate(notebook.cells):
                cell["id"] = f"cell-{number}"  # else random, and no two builds are equal
            written.append(source / FOLDER / f"{page.stem}.ipynb")
            written[-1].parent.mkdir(parents=True, exist_ok=True)
            jupytext.write(notebook, written[-1])
    return written


def link(app: Any, name: str, source: list[str]) -> None:
    """Add the link to a page."""
    if is_notebook(source[0]):
        target = (FOLDER / f"{Path(name).name}.ipynb").as_posix()
        source[0] = re.sub(r"^(# .*\n)", rf"\1\n{LINE.format(target)}", source[0], count=1, flags=re.M)


def setup(app: Any) -> dict[str, bool]:
    app.connect("builder-inited", lambda app: write(Path(app.srcdir)) and None)
    app.connect("source-read", link)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
