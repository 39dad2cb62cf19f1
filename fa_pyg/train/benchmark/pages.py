"""Generated parts of pages: text between a marker and ``<!-- end -->``."""

from __future__ import annotations

import os
import re
from pathlib import Path

from fa_pyg.files import write_atomically

__all__ = ["check_page", "replace_part"]


def check_page(page: str | os.PathLike, name: str) -> None:
    """Check that :func:`replace_part` can replace this part of a page.

    Raises:
        ValueError: as it does.
    """
    _parts(Path(page), name)


def replace_part(page: str | os.PathLike, name: str, text: str) -> None:
    """Replace the text between ``<!-- name -->`` and the next ``<!-- end -->`` of a page.

    Both are lines of their own. Line ends become those of the marker; nothing else of the page changes.

    Raises:
        ValueError: naming the page, unless it is one in UTF-8 that has this marker once, with an end before
            any other marker. Nothing is written then.
    """
    before, line_end, after = _parts(Path(page), name)
    text = line_end.join([*text.rstrip().splitlines(), ""])
    write_atomically(page, (before + text + after).encode())


def _parts(page: Path, name: str) -> tuple[str, str, str]:
    """Return the page up to the text to replace, the line end of the marker, and the page after the text."""
    content, begin = _read(page), f"<!-- {name} -->"
    lines = rf"^{re.escape(begin)}(\r?\n)(?:(?!.*<!-- ).*\n)*(?=<!-- end -->\r?$)"
    found, count = re.search(lines, content, re.MULTILINE), content.count(begin)
    if found is None or count != 1:
        raise ValueError(
            f"{page}: expected {begin} once, on a line of its own, and <!-- end --> on one after it, found "
            f"{count} markers of this name, or no end"
        )
    return content[: found.end(1)], found[1], content[found.end() :]


def _read(page: Path) -> str:
    """Return the content of a page with its own line ends."""
    if not page.is_file():
        raise ValueError(f"{page}: expected a page, found no file")
    try:
        return page.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{page}: expected a page in UTF-8, found other bytes ({error})") from error
