"""Generated parts of pages: text between a marker and ``<!-- end -->``."""

from __future__ import annotations

import os
import re
from pathlib import Path

from fa_pyg.files import write_atomically

__all__ = ["replace_part"]


def replace_part(page: str | os.PathLike, name: str, text: str) -> None:
    """Replace the text between ``<!-- name -->`` and the next ``<!-- end -->`` of a page.

    Raises:
        ValueError: naming the page, unless it has this marker once, with an end before any other marker.
            Nothing is written then.
    """
    page = Path(page)
    if not page.is_file():
        raise ValueError(f"{page}: expected a page, found no file")
    content = page.read_text(encoding="utf-8")
    begin = f"<!-- {name} -->"
    parts = re.findall(rf"{re.escape(begin)}\n(?:(?!<!-- ).*\n)*<!-- end -->", content)
    if content.count(begin) != 1 or len(parts) != 1:
        count = content.count(begin)
        raise ValueError(
            f"{page}: expected {begin} once, on a line of its own, and <!-- end --> after it, found {count} "
            "markers of this name, or no end"
        )
    write_atomically(page, content.replace(parts[0], f"{begin}\n{text.rstrip()}\n<!-- end -->"))
