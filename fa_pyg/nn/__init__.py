"""Modules: the operator, layers that use it, and what PyG's models need to run."""

from fa_pyg.nn.averaging import FrameAveraging
from fa_pyg.nn.layers import FAMLP, FAConv

__all__ = ["FAMLP", "FAConv", "FrameAveraging"]
