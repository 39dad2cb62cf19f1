"""Silence irrelevant Lightning messages, and say things once."""

from __future__ import annotations

import logging
import warnings
from typing import TextIO

from lightning.fabric.utilities.rank_zero import rank_zero_only

__all__ = ["quiet", "say"]


def quiet() -> None:
    """Silence advertisements of Lightning, and warnings that do not apply here."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    logging.getLogger("lightning.fabric").setLevel(logging.ERROR)
    for message in (
        ".*does not have many workers.*",
        ".*Checkpoint directory .* exists.*",
        ".*Experiment logs directory .* exists.*",
        ".*smaller than the logging interval.*",  # nothing is logged by the step
        ".*LeafSpec.* is deprecated.*",
        ".*args parameter is intended to run from within Python.*",
    ):
        warnings.filterwarnings("ignore", message)


def say(text: str, file: TextIO | None = None) -> None:
    """Print a line, in the first of the processes that train one model together."""
    if not getattr(rank_zero_only, "rank", 0):
        print(text, file=file)
