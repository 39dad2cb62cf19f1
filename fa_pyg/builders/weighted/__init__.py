"""Weighted PCA frames: exact and continuous, with few frames."""

from fa_pyg.builders.weighted.frame import WeightedPCAFrame
from fa_pyg.builders.weighted.smoothness import SMOOTHNESS

LEVELS = SMOOTHNESS  # the old name
"""Old name of ``SMOOTHNESS``."""

__all__ = ["LEVELS", "SMOOTHNESS", "WeightedPCAFrame"]
