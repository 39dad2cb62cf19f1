"""Progress bars of everything that takes long, which one variable of the environment switches off.

``FA_PYG_PROGRESS=0`` switches off all of them; ``--trainer.enable_progress_bar false``, ``--no-progress`` and
the arguments ``progress=`` and ``log=`` one. On a terminal a bar is redrawn; in a file or a pipe it is a line
every 30 seconds.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

from fa_pyg.environment import is_off

__all__ = ["VARIABLE", "bar", "is_shown"]

VARIABLE = "FA_PYG_PROGRESS"
"""Environment variable that switches progress bars off: ``0``, ``false``, ``no`` or ``off``."""


def is_shown(progress: bool = True) -> bool:
    """Whether progress is wanted, here and in the environment."""
    return progress and not is_off(VARIABLE)


def bar(iterable: Iterable | None = None, *, progress: bool = True, **options: Any) -> tqdm:
    """Return a progress bar, which shows nothing unless :func:`is_shown`.

    Args:
        iterable: what is counted; None for a bar that is updated by hand.
        progress: whether the caller wants it.
        options: of ``tqdm``.
    """
    often = 0.5 if sys.stderr.isatty() else 30.0
    options = {"dynamic_ncols": True, "mininterval": often, **options}
    return tqdm(iterable, disable=not is_shown(progress), **options)
