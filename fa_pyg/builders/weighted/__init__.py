"""Weighted PCA frames: exact and continuous, with few frames."""

from fa_pyg.builders.weighted.frame import LEVELS, WeightedPCAFrame

__all__ = ["LEVELS", "WeightedPCAFrame"]
