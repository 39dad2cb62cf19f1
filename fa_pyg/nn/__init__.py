"""Modules: the operator, layers that use it, and what PyG's models need to run."""

from fa_pyg.nn.averaging import FrameAveraging

__all__ = ["FrameAveraging"]
